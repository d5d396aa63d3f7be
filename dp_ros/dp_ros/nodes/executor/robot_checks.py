# SPDX-License-Identifier: Apache-2.0
"""Checks that the controller is one that the executor can drive."""

from __future__ import annotations

from collections.abc import Sequence

from dp_ros.control.checks.controller import controller_misfits, parameter_misfits
from dp_ros.nodes.executor.controller_manager import ControllerManager
from dp_ros.ros.asking import Unanswered
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

_PERIOD = 0.2
_LOOKS = 5  # Number of periods after which a controller that fits is checked again.
_NOT_YET = ('the controller is not checked yet',)


class RobotChecks:
    """Checks the controller whenever it appears.

    A listener of the commands is the controller if it has the controller's name. It is checked
    again and again, because it may be deactivated. Any other listener, such as a simulation, is
    not checked.

    :param topic: full name of the command topic.
    """

    def __init__(
        self, node: Node, manager: ControllerManager, joint_names: Sequence[str], topic: str
    ) -> None:
        self._node = node
        self._manager = manager
        self._joint_names = tuple(joint_names)
        self._topic = topic
        self._full_name = topic.rpartition('/')[0]
        self._name = self._full_name.rpartition('/')[2]
        self._controller: tuple[str, ...] | None = None
        self._fits_for = 0
        steady, group = Clock(clock_type=ClockType.STEADY_TIME), MutuallyExclusiveCallbackGroup()
        node.create_timer(_PERIOD, self._look, clock=steady, callback_group=group)

    @property
    def misfits(self) -> tuple[str, ...] | None:
        """Reasons why it does not fit, empty if it does; None: no controller listens."""
        return self._controller

    def renew(self) -> None:
        """Forget what was found of the controller."""
        self._controller = _NOT_YET if self._listens() else None

    async def _look(self) -> None:
        if not self._listens():
            self._controller = None
            return
        if self._controller is None:
            self._controller = _NOT_YET
        self._fits_for = self._fits_for + 1 if self._controller == () else 0
        if self._fits_for % _LOOKS == 0:
            await self._ask()

    async def _ask(self) -> None:
        try:
            self._controller = await self._misfits()
        except Unanswered as error:
            if self._controller != ():  # One that fitted stays valid while nobody answers.
                self._controller = (str(error),)

    async def _misfits(self) -> tuple[str, ...]:
        found = await self._manager.controllers()
        misfits = controller_misfits(self._name, self._joint_names, found)
        if misfits:
            return misfits
        values = await self._manager.parameters()
        return parameter_misfits(self._name, self._joint_names, values)

    def _listens(self) -> bool:
        listeners = self._node.get_subscriptions_info_by_topic(self._topic)
        names = {f'{each.node_namespace.rstrip("/")}/{each.node_name}' for each in listeners}
        return self._full_name in names
