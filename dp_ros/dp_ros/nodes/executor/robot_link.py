# SPDX-License-Identifier: Apache-2.0
"""What the executor knows of the robot beyond its joints, and how it gets it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dp_ros.control.checks.robot_watch import RobotWatch
from dp_ros.control.executor.interlocks import STOP, stop_after
from dp_ros.nodes.executor.controller_manager import ControllerManager
from dp_ros.nodes.executor.recovery import Recovery
from dp_ros.nodes.executor.robot_checks import RobotChecks
from dp_ros.nodes.executor.robot_state import RobotState
from dp_ros.ros.live_parameters import Values
from rclpy.node import Node

CHECKS: Final = 'checks'
ROBOT: Final = 'robot'


class RobotLink:
    """Holds the interlocks `checks` and `robot`, and serves `~/recover`.

    An arm that was free to move does not move again by itself when its fault is over: the
    interlock `stop` is left, for a person to take back.

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
        self._was_free = False
        self._state = RobotState(node, watch)
        self._checks: RobotChecks | None = None
        if values['check_robot']:
            self._checks = RobotChecks(node, manager, joints, topic)
        action = values['error_recovery_action']
        Recovery(node, manager, watch, joints, controller, action, self._resume)

    def renew(self) -> None:
        """Check the controller again, as if for the first time."""
        self._was_free = False
        if self._checks is not None:
            self._checks.renew()
        self.tick()

    def tick(self) -> None:
        """Set and take back the interlocks by what is known now."""
        found = self._found()
        for name, reason in found.items():
            if reason is None and name in self._held:
                reason = self._give_back(name)
            if reason is None:
                self._held.pop(name, None)
            elif reason != self._held.get(name):
                self._held[name] = reason
                self._inhibit(name, reason)
        self._was_free |= not any(found.values())

    def _give_back(self, name: str) -> str | None:
        """Return None once what held the arm is taken back, at the latest when it is at rest."""
        held = self._held[name]
        if self._release(name) is not None:
            return held
        if self._was_free:
            self._inhibit(STOP, stop_after(held.split(': ')[0]))
        return None

    def _found(self) -> dict[str, str | None]:
        checks = None if self._checks is None else self._checks.inhibition()
        return {CHECKS: checks, ROBOT: self._state.inhibition()}

    def _resume(self) -> str | None:
        found = [reason for reason in self._found().values() if reason is not None]
        if found:
            return '; '.join(found)
        self._inhibit(STOP, 'recovered: call executor/resume to move')
        reason = self._release(CHECKS, ROBOT)
        if reason is None:
            self._held.clear()
        return reason
