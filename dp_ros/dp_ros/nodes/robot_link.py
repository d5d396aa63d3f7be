# SPDX-License-Identifier: Apache-2.0
"""What the executor knows of the robot beyond its joints, and how it gets it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dp_ros.control.interlocks import STOP
from dp_ros.control.robot_watch import RobotWatch
from dp_ros.nodes.controller_manager import ControllerManager
from dp_ros.nodes.live_parameters import Values
from dp_ros.nodes.recovery import Recovery
from dp_ros.nodes.robot_checks import RobotChecks
from dp_ros.nodes.robot_state import RobotState
from rclpy.node import Node

CHECKS: Final = 'checks'
ROBOT: Final = 'robot'


class RobotLink:
    """Holds the interlocks `checks` and `robot`, and serves `~/recover`.

    :param topic: of the commands, with its namespace.
    :param inhibit: sets an interlock to a reason.
    :param release: takes interlocks back and begins where the arm is measured to be, or says
        why it cannot.
    """

    def __init__(
        self,
        node: Node,
        values: Values,
        topic: str,
        inhibit: Callable[[str, str], None],
        release: Callable[..., str | None],
    ) -> None:
        joints, controller = values['joint_names'], values['controller_name']
        watch = RobotWatch(values['joint_state_timeout'])
        manager = ControllerManager(node, controller)
        self._inhibit, self._release = inhibit, release
        self._held: dict[str, str] = {}
        self._state = RobotState(node, watch)
        self._checks: RobotChecks | None = None
        if values['check_robot']:
            self._checks = RobotChecks(node, manager, joints, topic)
        action = values['error_recovery_action']
        Recovery(node, manager, watch, joints, controller, action, self._resume)

    def renew(self) -> None:
        """Check the controller again."""
        if self._checks is not None:
            self._checks.renew()
        self.tick()

    def tick(self) -> None:
        """Set and take back the interlocks by what is known now."""
        for name, reason in self._found().items():
            if reason is None and name in self._held:
                reason = self._release(name)
            if reason is None:
                self._held.pop(name, None)
            elif reason != self._held.get(name):
                self._held[name] = reason
                self._inhibit(name, reason)

    def _found(self) -> dict[str, str | None]:
        checks = None if self._checks is None else self._checks.inhibition()
        return {CHECKS: checks, ROBOT: self._state.inhibition()}

    def _resume(self) -> str | None:
        found = [reason for reason in self._found().values() if reason is not None]
        reason = '; '.join(found) or self._release(STOP, CHECKS, ROBOT)
        if reason is None:
            self._held.clear()
        return reason
