# SPDX-License-Identifier: Apache-2.0
"""Lets the policy node load another policy, by the services of its life cycle."""

from __future__ import annotations

from typing import Final

from dp_ros.nodes.view.remote import Refused, Remote, RemoteParameters
from dp_ros.ros.asking import ask, pause
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Log
from rclpy.node import Node

_PATIENCE: Final = 5.0
_LOADING: Final = 60.0  # Longest time to load a policy and to denoise once [s].
_REASON: Final = 'not configured:'
_ON_ITS_WAY: Final = 10, 0.1  # How often and how long to wait for a reason in the log [s].


class Loader:
    """Replaces the policy that runs; the arm is paused before, and stays so.

    :param parameters: those of the policy node.
    """

    def __init__(self, node: Node, remote: Remote, parameters: RemoteParameters) -> None:
        self._node, self._remote, self._parameters = node, remote, parameters
        self._change = node.create_client(ChangeState, 'policy/change_state')
        self._state = node.create_client(GetState, 'policy/get_state')
        self._logger = node.resolve_service_name('policy').strip('/').replace('/', '.')
        self._reason = ''

    def hear(self, message: Log) -> None:
        """Note why the policy node could not load a policy: its service does not say it."""
        if message.name == self._logger and message.msg.startswith(_REASON):
            self._reason = message.msg.splitlines()[-1].removeprefix(_REASON).strip()

    async def load(self, checkpoint: str) -> None:
        """Load a policy; where it cannot be used, the one before runs again.

        :raises Refused: with the reason.
        """
        before = {name: self._parameters.values[name] for name in ('checkpoint', 'sampler.name')}
        await self._remote.trigger('executor/pause')
        await self._unload()
        try:
            await self._start({'checkpoint': checkpoint, 'sampler.name': 'auto'})
        except Refused as error:
            try:
                await self._start(before)
            except Refused as second:
                raise Refused(f'{error}; nor does the one before load: {second}') from None
            raise Refused(f'{error}; {before["checkpoint"]} is loaded again') from None

    async def _unload(self) -> None:
        answer = await ask(self._node, _PATIENCE, self._state, GetState.Request())
        state = answer.current_state.id
        if state == State.PRIMARY_STATE_ACTIVE:
            await self._go(Transition.TRANSITION_DEACTIVATE)
        if state in (State.PRIMARY_STATE_ACTIVE, State.PRIMARY_STATE_INACTIVE):
            await self._go(Transition.TRANSITION_CLEANUP)

    async def _start(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            await self._parameters.write(name, value)
        await self._go(Transition.TRANSITION_CONFIGURE)
        await self._go(Transition.TRANSITION_ACTIVATE)

    async def _go(self, transition: int) -> None:
        self._reason = ''
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = await ask(self._node, _LOADING, self._change, request)
        if answer.success:
            return
        times, seconds = _ON_ITS_WAY
        for _ in range(times):
            if self._reason:
                break
            await pause(self._node, seconds)
        raise Refused(self._reason or 'the policy node refuses: see its log')
