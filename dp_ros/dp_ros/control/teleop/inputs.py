# SPDX-License-Identifier: Apache-2.0
"""Inputs of a person's hand: velocities of the TCP, and buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dp_ros.arrays import Array
from dp_ros.control.teleop.teleop import Wish, scaled
from dp_ros.control.teleop.twist import clamped, from_tool, joint_velocity
from dp_ros.robot.arm_model import FR3, ArmModel
import numpy as np

NOWHERE = -1


class InputRefused(ValueError):
    """An input is not followed; the message says why."""


class Action(Enum):
    """Action of a button, besides moving the arm."""

    GRIPPER = 'gripper_button'
    START = 'start_button'
    SUCCESS = 'success_button'
    FAILURE = 'failure_button'
    DISCARD = 'discard_button'
    RESUME = 'resume_button'
    GO_TO_START = 'go_to_start_button'


class TwistInput:
    """The newest wanted velocity of the TCP.

    ``model`` is the model of the arm; without one no velocity is wanted.

    :param max_linear: largest linear velocity [m/s]; faster inputs are slowed to it.
    :param max_angular: largest angular velocity [rad/s], likewise.
    """

    def __init__(
        self, max_linear: float, max_angular: float, model: ArmModel | None = FR3
    ) -> None:
        self.model = model
        self.set_limits(max_linear, max_angular)
        self.clear()

    def set_limits(self, max_linear: float, max_angular: float) -> None:
        """Replace the largest velocities of the TCP [m/s], [rad/s]."""
        self._limits = max_linear, max_angular

    def clear(self) -> None:
        """Forget the wanted velocity."""
        self._twist, self._in_tool, self.stamp_ns = np.zeros(6), False, 0

    def set(self, twist: Sequence[float], in_tool: bool, now_ns: int) -> None:
        """Take linear [m/s] and angular [rad/s] velocity, in the frame of the base or the tool.

        :raises InputRefused: when it is not finite; the wanted velocity is then forgotten.
        """
        self.clear()
        if not np.isfinite(twist).all():
            raise InputRefused(f'velocity that is not finite: {list(twist)}')
        self._twist, self._in_tool = clamped(np.array(twist), *self._limits), in_tool
        self.stamp_ns = now_ns

    def set_shares(self, shares: Array, in_tool: bool, now_ns: int) -> None:
        """Take velocities (6,) as shares of the largest ones, each -1 to 1.

        :raises InputRefused: as `set` does.
        """
        self.set((shares * np.repeat(self._limits, 3)).tolist(), in_tool, now_ns)

    def wish(self, q: Array) -> Wish | None:
        """Return the wanted joint velocities at positions (n,), or None."""
        model = self.model
        if model is None or not self._twist.any():
            return None
        twist = from_tool(model.tcp, q, self._twist) if self._in_tool else self._twist
        return scaled(joint_velocity(model, q, twist))


@dataclass(frozen=True)
class JoyMapping:
    """Indices of axes and buttons in a Joy message; -1: there is none.

    :param linear: axes that move the TCP along x, y, z; their values are -1 to 1.
    :param angular: axes that turn the TCP about x, y, z.
    :param enable: button that has to be held for the axes to count.
    :param rotate: button with which the linear axes tilt the tool instead.
    :param actions: button of each action.
    """

    linear: tuple[int, ...] = (1, 0, 3)
    angular: tuple[int, ...] = (-1, -1, 2)
    enable: int = 9
    rotate: int = 10
    actions: Mapping[Action, int] = field(default_factory=dict)


class JoyReader:
    """Reads Joy messages, one after the other."""

    def __init__(self, mapping: JoyMapping) -> None:
        self.mapping = mapping
        self._before: Sequence[int] = ()

    def read(
        self, axes: Sequence[float], buttons: Sequence[int]
    ) -> tuple[Array, frozenset[Action]]:
        """Return velocities (6,), each -1 to 1, and the actions whose buttons are newly pressed.

        :raises InputRefused: when the message lacks an axis or a button.
        """
        self._check(len(axes), len(buttons))
        before, self._before = self._before, tuple(buttons)
        pressed = frozenset(
            action
            for action, index in self.mapping.actions.items()
            if index != NOWHERE and len(before) > index and buttons[index] > before[index]
        )
        return self._velocities(axes, buttons), pressed

    def _velocities(self, axes: Sequence[float], buttons: Sequence[int]) -> Array:
        mapping = self.mapping
        if mapping.enable != NOWHERE and not buttons[mapping.enable]:
            return np.zeros(6)
        linear, angular = (
            np.array([0.0 if index == NOWHERE else axes[index] for index in indices])
            for indices in (mapping.linear, mapping.angular)
        )
        if mapping.rotate != NOWHERE and buttons[mapping.rotate]:
            # The tool tilts towards where the stick is pushed.
            angular, linear = angular + [-linear[1], linear[0], 0.0], np.zeros(3)
        return np.concatenate([linear, angular])

    def _check(self, n_axes: int, n_buttons: int) -> None:
        mapping = self.mapping
        axes = [('linear_axes', i) for i in mapping.linear]
        axes += [('angular_axes', i) for i in mapping.angular]
        buttons = [('enable_button', mapping.enable), ('rotate_button', mapping.rotate)]
        buttons += [(action.value, index) for action, index in mapping.actions.items()]
        for what, number, used in (('axis', n_axes, axes), ('button', n_buttons, buttons)):
            for parameter, index in used:
                if index >= number:
                    raise InputRefused(
                        f'joy has no {what} {index}, it has {number} of them: set {parameter} '
                        '(-1: none)'
                    )
