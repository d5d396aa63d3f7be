# SPDX-License-Identifier: Apache-2.0
"""What an FR3 may be commanded: position, velocity, acceleration and jerk of each joint.

Source: franka_description (FR3) and libfranka, rate_limiting.h and joint_velocity_limits.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array
import numpy as np

SHARE: Final = 0.9
"""How much of the limits of velocity and acceleration is used; of positions see `range`."""
_SLACK: Final = 1e-6  # [rad/s], for velocities that are zero but for rounding


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints, each array (n,).

    :param lower: lowest position [rad]; ``upper``: highest.
    :param velocity: [rad/s]; ``acceleration``: [rad/s²]; ``jerk``: [rad/s³].
    :param velocity_offset: how the velocity limit shrinks near the position limits [rad/s], with
        ``deceleration`` [rad/s²].
    """

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array
    jerk: Array
    velocity_offset: Array
    deceleration: Array

    def velocity_bounds(self, positions: Array) -> tuple[Array, Array]:
        """Return the lowest and highest velocities allowed at positions (..., n) [rad/s]."""
        return -self._towards(positions - self.lower), self._towards(self.upper - positions)

    def _towards(self, room: Array) -> Array:
        ramp = np.sqrt(np.maximum(0.0, 2 * self.deceleration * room)) - self.velocity_offset
        return np.minimum(self.velocity, np.maximum(0.0, ramp))

    def range(self, share: float = SHARE) -> tuple[Array, Array]:
        """Return the lowest and highest positions (n,) that are used [rad].

        Of each end of a joint's range they leave out a twentieth of the share that is not used:
        0.5 % of the range at 0.9.
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
        """Say what leaves ``share`` of the limits, or return None.

        :param positions: (m, n); ``velocities`` and ``accelerations`` likewise.
        :param from_first: what is outside in the first sample may stay so, and get no further
            out; a velocity inside the whole limits stays inside those.
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
