# SPDX-License-Identifier: Apache-2.0
"""The executor's link to the robot: its description, its checks, its faults, its recovery."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from dp_ros.control.checks.robot_watch import RobotWatch
from dp_ros.control.executor.interlocks import STOP, stop_after
from dp_ros.nodes.executor.controller_manager import ControllerManager
from dp_ros.nodes.executor.recovery import Recovery
from dp_ros.nodes.executor.robot_checks import RobotChecks
from dp_ros.nodes.executor.robot_state import RobotState
from dp_ros.robot.arm_model import ArmModel, by_name, read_arm
from dp_ros.ros.described_arm import UNDESCRIBED, DescribedArm
from dp_ros.ros.live_parameters import Values
from rclpy.node import Node

CHECKS: Final = 'checks'
ROBOT: Final = 'robot'


class RobotLink:
    """Holds the interlocks `checks` and `robot`, and serves `~/recover`.

    It hands on the arm that `robot_description` describes. Without a description, joints with an
    FR3's names are taken for an FR3; other joints may not move.

    An arm that was free to move does not move again by itself when a fault is over: the
    interlock `stop` stays, for a person to clear.

    :param topic: full name of the command topic.
    :param inhibit: function that sets an interlock with a reason.
    :param release: function that clears interlocks and begins where the arm is measured to be;
        it returns why it cannot, or None.
    :param adopt: function that takes the model of the arm, or returns False while the arm moves.
    """

    def __init__(
        self,
        node: Node,
        values: Values,
        topic: str,
        inhibit: Callable[[str, str], None],
        release: Callable[..., str | None],
        adopt: Callable[[ArmModel | None], bool],
    ) -> None:
        joints, controller = values['joint_names'], values['controller_name']
        watch = RobotWatch(values['joint_state_timeout'])
        manager = ControllerManager(node, controller)
        self._inhibit, self._release, self._adopt = inhibit, release, adopt
        self._held: dict[str, str] = {}
        self._was_free = False
        self._state = RobotState(node, watch)
        self._checks: RobotChecks | None = None
        if values['check_robot']:
            self._checks = RobotChecks(node, manager, joints, topic)
        self._logger = node.get_logger()
        self._by_name = by_name(joints)
        self._arm: DescribedArm[ArmModel] = DescribedArm(node, self._on_description)
        frames = {name: values[name] for name in ('base_frame', 'tool_frame')}
        self._arm.expect(partial(read_arm, joint_names=joints, **frames), self._by_name)
        action = values['error_recovery_action']
        Recovery(node, manager, watch, joints, controller, action, self._resume)

    def renew(self) -> None:
        """Check the controller again, as if for the first time."""
        self._was_free = False
        if self._checks is not None:
            self._checks.renew()
        self.tick()

    def tick(self) -> None:
        """Set or clear the two interlocks by what is known now."""
        found = self._found()
        for name, reason in found.items():
            if reason is None and name in self._held:
                reason = self._give_back(name)
            if reason is None:
                self._held.pop(name, None)
            elif reason != self._held.get(name):
                self._held[name] = reason
                self._inhibit(name, reason)
        self._was_free |= not self._held

    def _give_back(self, name: str) -> str | None:
        """Clear an interlock and return None, or return its reason while the arm still moves."""
        held = self._held[name]
        if self._release(name) is not None:
            return held
        if self._was_free:
            self._inhibit(STOP, stop_after(held.split(': ')[0]))
        return None

    def _found(self) -> dict[str, str | None]:
        return {CHECKS: '; '.join(self._misfits()) or None, ROBOT: self._state.inhibition()}

    def _misfits(self) -> tuple[str, ...]:
        """Return what is not known of the arm, and what does not fit."""
        controller = None if self._checks is None else self._checks.misfits
        arm: tuple[str, ...] = ()
        if not self._adopt(self._model):
            arm = ('robot_description describes another arm than before',)
        elif self._model is None:
            arm = (str(self._arm.misfit),)
        elif controller is not None and not self._arm.heard:
            arm = (UNDESCRIBED,)
        return (*arm, *(controller or ()))

    @property
    def _model(self) -> ArmModel | None:
        """Model of the arm; without checks the names of its joints are enough."""
        if self._arm.model is None and self._checks is None:
            return self._by_name
        return self._arm.model

    def _on_description(self) -> None:
        arm = self._arm
        if arm.model is not None:
            self._logger.info(f'robot_description describes {arm.model.summary}')
        else:
            self._logger.error(f'{arm.misfit}')
        self._adopt(self._model)

    def _resume(self) -> str | None:
        found = [reason for reason in self._found().values() if reason is not None]
        if found:
            return '; '.join(found)
        self._inhibit(STOP, 'recovered: call executor/resume to move')
        reason = self._release(CHECKS, ROBOT)
        if reason is None:
            self._held.clear()
        return reason
