# SPDX-License-Identifier: Apache-2.0
"""What an FR3 may be commanded: position, velocity, acceleration and jerk of each joint.

Source: franka_description (FR3) and libfranka, rate_limiting.h and joint_velocity_limits.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHARE: Final = 0.9
"""How much of the limits is used."""


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
        """Return the lowest and highest positions (n,) inside ``share`` of the limits [rad]."""
        margin = (1 - share) * (self.upper - self.lower) / 20
        return self.lower + margin, self.upper - margin

    def violation(
        self, positions: Array, velocities: Array, accelerations: Array, share: float = SHARE
    ) -> str | None:
        """Say what leaves ``share`` of the limits, or return None.

        :param positions: (m, n); ``velocities`` and ``accelerations`` likewise.
        """
        lower, upper = self.range(share)
        low, high = self.velocity_bounds(positions)
        checks = (
            ('position', positions, lower, upper, 'rad'),
            ('velocity', velocities, share * low - 1e-6, share * high + 1e-6, 'rad/s'),
            (
                'acceleration',
                accelerations,
                -share * self.acceleration,
                share * self.acceleration,
                'rad/s²',
            ),
        )
        for what, values, lowest, highest, unit in checks:
            outside = np.argwhere((values < lowest) | (values > highest))
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
