# SPDX-License-Identifier: Apache-2.0
"""Commanded motions of the arm: a state at one time, and a motion that ends at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array
from dp_ros.robot.limits import SHARE, JointLimits
from dp_ros.robot.trajectory import Samples
import numpy as np

_FINE: Final = 0.01
_MOST: Final = 1000  # Samples of a motion: over 10 s they are more than 10 ms apart.


class SpliceError(ValueError):
    """No motion inside the limits leads on from the start state."""


@dataclass(frozen=True)
class State:
    """Commanded state of n joints: position [rad], velocity [rad/s], acceleration [rad/s²]."""

    position: Array
    velocity: Array
    acceleration: Array

    @property
    def at_rest(self) -> bool:
        """Whether nothing moves."""
        return bool(np.abs(self.velocity).max() < 1e-6 and np.abs(self.acceleration).max() < 1e-6)


@dataclass(frozen=True)
class Motion:
    """Knots of a motion that ends at rest.

    :param times: (m,) times of the knots [s after the start state], the first at 0.
    :param positions: (m, n) positions [rad]; ``velocities`` and ``accelerations`` likewise.
    :param deviation: largest distance of a joint from a point when that is due [rad].
    :param approach: whether it reaches the points later than they are due.
    """

    times: Array
    positions: Array
    velocities: Array
    accelerations: Array
    deviation: float = 0.0
    approach: bool = False

    @property
    def jerks(self) -> Array:
        """Jerks (m - 1, n) between the knots [rad/s³]."""
        return np.diff(self.accelerations, axis=0) / np.diff(self.times)[:, None]

    def at(self, times: Array) -> Samples:
        """Return positions, velocities and accelerations (k, n) at times (k,) [s]."""
        times = np.minimum(times, self.times[-1])
        segment = np.searchsorted(self.times[1:-1], times, side='right')
        t = (times - self.times[segment])[:, None]
        p, v, a = (x[segment] for x in (self.positions, self.velocities, self.accelerations))
        j = self.jerks[segment]
        return p + t * v + t**2 / 2 * a + t**3 / 6 * j, v + t * a + t**2 / 2 * j, a + t * j

    def sample_times(self, most: int = _MOST) -> Array:
        """Return times (k,) [s] 10 ms apart, or ``most`` times in all where that is fewer."""
        end = float(self.times[-1])
        return np.arange(0.0, end, max(_FINE, end / most))

    def sampled(self) -> Samples:
        """Return positions, velocities and accelerations (k, n) at `sample_times`."""
        return self.at(self.sample_times())

    def distance(self, times: Array, points: Array) -> float:
        """Return the largest distance from points (k, n) that are due at times (k,) [rad]."""
        return float(np.abs(self.at(times)[0] - points).max(initial=0.0))

    def keeps(self, limits: JointLimits) -> bool:
        """Tell whether it keeps `SHARE` of the limits, and half of the limits of jerk.

        A value that begins outside may stay there, but go no further out.
        """
        most = np.maximum(SHARE * limits.acceleration, np.abs(self.accelerations[0]))
        if not (np.abs(self.accelerations) <= most).all():  # The cheapest check first.
            return False
        if not (np.abs(self.jerks) < 0.5 * limits.jerk).all():
            return False
        return limits.violation(*self.sampled(), from_first=True) is None
