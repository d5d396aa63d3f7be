# SPDX-License-Identifier: Apache-2.0
"""Limits of an arm's joints: position, velocity, acceleration and jerk; those of the FR3.

Source: franka_description (FR3) and libfranka, rate_limiting.h and joint_velocity_limits.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array
import numpy as np

SHARE: Final = 0.9
"""Share of the velocity and acceleration limits that is used; for positions see `range`."""
_SLACK: Final = 1e-6  # [rad/s], tolerance for rounding of velocities near zero


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints, each array (n,).

    :param lower: lowest position [rad]; ``upper``: highest.
    :param velocity: highest velocity [rad/s]; ``acceleration``: [rad/s²]; ``jerk``: [rad/s³].
    :param velocity_offset: d in the velocity limit sqrt(2·a·r) - d at distance r from a position
        limit [rad/s]; ``deceleration``: its a [rad/s²].
    """

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array
    jerk: Array
    velocity_offset: Array
    deceleration: Array

    def velocity_bounds(self, positions: Array) -> tuple[Array, Array]:
        """Return the lowest and highest allowed velocities [rad/s] at positions (..., n)."""
        return -self._towards(positions - self.lower), self._towards(self.upper - positions)

    def _towards(self, room: Array) -> Array:
        ramp = np.sqrt(np.maximum(0.0, 2 * self.deceleration * room)) - self.velocity_offset
        return np.minimum(self.velocity, np.maximum(0.0, ramp))

    def range(self, share: float = SHARE) -> tuple[Array, Array]:
        """Return the lowest and highest positions (n,) that are used [rad].

        At each end they leave out (1 - ``share``) / 20 of a joint's range: 0.5 % of it at 0.9.
        """
        margin = (1 - share) * (self.upper - self.lower) / 20
        return self.lower + margin, self.upper - margin

    def violation(
        self,
        positions: Array,
        velocities: Array,
        accelerations: Array,
        share: float = SHARE,
        from_first: bool = False,
    ) -> str | None:
        """Name the first value that exceeds ``share`` of the limits, or return None.

        :param positions: (m, n) positions [rad], to stay inside `range`; ``velocities`` and
            ``accelerations`` likewise.
        :param from_first: whether a value that is outside in the first sample may stay there, but
            go no further out; a velocity that begins inside the whole limits must keep them.
        """
        low, high = self.velocity_bounds(positions)
        most = share * self.acceleration
        checks = [
            ('position', positions, *self.range(share), 'rad'),
            ('velocity', velocities, share * low - _SLACK, share * high + _SLACK, 'rad/s'),
            ('acceleration', accelerations, -most, most, 'rad/s²'),
        ]
        if from_first:
            checks.append(('velocity', velocities, low - _SLACK, high + _SLACK, 'rad/s'))
        for what, values, lowest, highest, unit in checks:
            below, above = lowest - values, values - highest
            if from_first:
                below, above = (side - np.maximum(0.0, side[0]) for side in (below, above))
            outside = np.argwhere((below > 0) | (above > 0))
            if len(outside):
                sample, joint = outside[0]
                return f'{what} of joint {joint + 1} would be {values[sample, joint]:.3f} {unit}'
        return None


FR3_LIMITS: Final = JointLimits(
    lower=np.array([-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159]),
    upper=np.array([2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159]),
    velocity=np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26]),
    acceleration=np.full(7, 10.0),
    jerk=np.full(7, 5000.0),
    velocity_offset=np.array([0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35]),
    deceleration=np.array([6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0]),
)
