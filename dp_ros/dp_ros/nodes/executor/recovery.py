# SPDX-License-Identifier: Apache-2.0
"""Service that recovers an arm after a reflex or a user stop, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from action_msgs.msg import GoalStatus
from dp_ros.control.checks.controller import controllers_to_activate, hardware_to_activate
from dp_ros.control.checks.robot_watch import Mode, RobotWatch
from dp_ros.nodes.executor.controller_manager import ControllerManager
from dp_ros.ros.asking import Unanswered, ask, pause, within
from rclpy.action import ActionClient
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_srvs.srv import Trigger

_ACCEPT = 3.0
_CLEAR = 10.0
_FORGET = 2.0
_SETTLE = 3.0
_STEP = 0.1


class Recovery:
    """Serves `~/recover`.

    1. The robot clears its error (franka_msgs/ErrorRecovery).
    2. Its hardware becomes active again, then the broadcasters and the arm's controller.
    3. New joint states are awaited: the controller does not continue the last command.
    4. The robot can be moved again, and its checks pass.
    5. The arm is commanded to stay where it is measured to be, until a person resumes it.

    :param resume: function that tries steps 4 and 5; it returns why it cannot, or None.
    """

    def __init__(
        self,
        node: Node,
        manager: ControllerManager,
        watch: RobotWatch,
        joint_names: Sequence[str],
        controller: str,
        action: str,
        resume: Callable[[], str | None],
    ) -> None:
        self._node = node
        self._manager = manager
        self._watch = watch
        self._joint_names = tuple(joint_names)
        self._controller = controller
        self._action = action
        self._resume = resume
        self._client, self._goal = _error_recovery(node, action)
        self._history = node.create_client(Trigger, 'observation_aggregator/reset')
        group = MutuallyExclusiveCallbackGroup()
        node.create_service(Trigger, '~/recover', self._recover, callback_group=group)

    async def _recover(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            await self._steps()
        except Unanswered as error:
            response.success, response.message = False, str(error)
            self._node.get_logger().error(f'not recovered: {error}')
            return response
        errors = self._watch.last_errors
        after = f' from {", ".join(errors)}' if errors else ''
        response.success = True
        response.message = f'recovered{after}: call executor/resume to move'
        self._node.get_logger().info(response.message)
        return response

    async def _steps(self) -> None:
        if self._watch.mode is Mode.USER_STOPPED:
            raise Unanswered('the user stop is pressed: release it, then call again')
        managed = self._manager.present
        hardware = await self._manager.hardware() if managed else ()
        inactive = hardware_to_activate(self._joint_names, hardware)
        if inactive or self._watch.fault is not None:
            await self._clear()
        for name in inactive:
            await self._manager.activate_hardware(name)
        if managed:
            await self._activate_controllers()
        if self._history.service_is_ready():
            await ask(self._node, _FORGET, self._history, Trigger.Request())
        self._watch.recovered()
        await self._settle()

    async def _clear(self) -> None:
        if self._client is None or not self._client.server_is_ready():
            raise Unanswered(f'there is no action {self._action}: is franka_ros2 running?')
        try:
            handle = await within(self._node, _ACCEPT, self._client.send_goal_async(self._goal()))
            done = await within(self._node, _CLEAR, handle.get_result_async())
        except TimeoutError:
            raise Unanswered(f'{self._action} does not answer') from None
        if done.status != GoalStatus.STATUS_SUCCEEDED:
            raise Unanswered(
                'the robot does not recover from its error: is the user stop released, '
                'are the brakes open and FCI active in Desk?'
            )

    async def _activate_controllers(self) -> None:
        names = controllers_to_activate(self._controller, await self._manager.controllers())
        if names:
            await self._manager.activate(names)

    async def _settle(self) -> None:
        reason: str | None = ''
        for _ in range(round(_SETTLE / _STEP)):
            await pause(self._node, _STEP)
            reason = self._resume()
            if reason is None:
                return
        raise Unanswered(reason or '')


def _error_recovery(node: Node, action: str) -> tuple[Any, Any]:
    """Return the client and the goal's type, or None where franka_msgs is not installed."""
    try:
        kind = import_module('franka_msgs.action').ErrorRecovery
    except ModuleNotFoundError:
        return None, None
    return ActionClient(node, kind, action), kind.Goal
