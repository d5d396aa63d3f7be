# SPDX-License-Identifier: Apache-2.0
"""Which policy runs, which others could, and how the running one can be sampled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dp_ros.nodes.view.play import Play
from dp_ros.nodes.view.policies import policies_beside
from dp_ros.nodes.view.remote import RemoteParameters, Unanswered
from dp_ros.ros.contract import TOPIC
from dp_ros.ros.live_parameters import choices_of
from dp_ros.ros.qos import LATCHED
from dp_ros.task.task_file import parse_task
from dp_ros.values import ConfigError
from dp_ros_msgs.msg import Contract
from rclpy.node import Node

_SAMPLER, _STEPS = 'sampler.name', 'sampler.num_inference_steps'


class RunningPolicy:
    """Follows `policy/contract`, which comes with every policy that is loaded.

    :param note: function that gets why a contract cannot be read.
    """

    def __init__(
        self, node: Node, parameters: RemoteParameters, play: Play, note: Callable[[str], None]
    ) -> None:
        self._node, self._parameters, self._play, self._note = node, parameters, play, note
        self._contract = Contract()
        self._described = True
        node.create_subscription(Contract, TOPIC, self._on_contract, LATCHED)

    def list(self) -> None:
        """Show the policies that could run now; others may have been trained meanwhile."""
        checkpoint = self._contract.checkpoint
        if not checkpoint:
            return
        try:
            task = parse_task(self._contract.task, TOPIC)
        except ConfigError as error:
            self._note(str(error))
        else:
            found = policies_beside(checkpoint, task)
            self._play.show_policies(Path(checkpoint).name, found)

    def look(self) -> None:
        """Ask how the running policy can be sampled, until it is known."""
        if not self._described and self._parameters.ready:
            self._described = True
            assert self._node.executor is not None
            self._node.executor.create_task(self._describe())

    def _on_contract(self, message: Contract) -> None:
        self._contract, self._described = message, False
        self.list()
        self.look()

    async def _describe(self) -> None:
        try:
            sampler, steps = await self._parameters.describe(_SAMPLER, _STEPS)
        except Unanswered:
            self._described = False  # It is asked again.
            return
        (within,) = steps.integer_range or (None,)
        most = 0 if within is None else within.to_value
        self._play.show_samplers(choices_of(sampler), most)
