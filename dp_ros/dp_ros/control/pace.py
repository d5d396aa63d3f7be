# SPDX-License-Identifier: Apache-2.0
"""How fast a chunk's path is followed: the same path in more time, never in less.

The speed is the product of

* the speed scale, which rises slowly and falls quickly to what is asked for (`Ramp`), and
* a factor of the place: within a margin of a joint's limit it falls linearly with the room that is
  left, from 1 down to `CREEP` at the limit.

Both are continuous, and so is the speed along the path, also where one chunk replaces another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.control.limits import JointLimits
from dp_ros.control.trajectory import NS
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CREEP: Final = 0.2
FALL: Final = 0.3
"""How long the speed scale takes from 1 to 0 [s]."""
HORIZON: Final = 5.0
"""A chunk that is slowed down is followed for no longer than this [s]."""


@dataclass(frozen=True)
class Ramp:
    """The speed scale over time: constant, linear, constant.

    :param begin_ns: when it leaves ``low`` for ``target`` [ns].
    :param duration: what it would take to change by 1 [s].
    """

    begin_ns: int
    low: float
    target: float
    duration: float

    def scale(self, time_ns: int) -> float:
        """Return the speed scale at a time."""
        change = self.target - self.low
        share = (time_ns - self.begin_ns) / NS / max(1e-9, self.duration * abs(change))
        return self.low + change * min(1.0, max(0.0, share))

    def towards(self, target: float, time_ns: int, rise: float) -> Ramp:
        """Return the ramp that leads to another target from ``time_ns`` on."""
        if target == self.target:
            return self
        low = self.scale(time_ns)
        return Ramp(time_ns, low, target, rise if target > low else FALL)

    def due(self, times: Array, from_ns: int) -> Array:
        """Return when points are reached [s after ``from_ns``] that full speed reaches at times.

        The integral of the scale is ``times``: s₀·t + a·t²/2 on the slope, a line after it.
        """
        low, slope, _, after = self._slope(from_ns)
        on_slope = np.minimum(times, after)
        root = np.sqrt(np.maximum(0.0, low**2 + 2 * slope * on_slope))
        return 2 * on_slope / np.maximum(1e-9, low + root) + (times - on_slope) / self.target

    def reached(self, seconds: float, from_ns: int) -> float:
        """Return at which time full speed reaches what is reached ``seconds`` after."""
        low, slope, end, _ = self._slope(from_ns)
        t = min(seconds, end)
        return low * t + slope * t**2 / 2 + (seconds - t) * self.target

    def _slope(self, from_ns: int) -> tuple[float, float, float, float]:
        """Return scale, its slope, how long that lasts [s], and the time of full speed then."""
        low = self.scale(from_ns)
        end = self.duration * abs(self.target - low)
        slope = (self.target - low) / end if end > 0 else 0.0
        return low, slope, end, (low + self.target) / 2 * end


REST: Final = Ramp(0, 0.0, 0.0, 0.0)


def slowed(
    position: Array, times: Array, points: Array, limits: JointLimits, margin: float
) -> Array:
    """Stretch the times (m,) of points (m, n) that follow a position (n,), near joint limits.

    :param margin: where slowing down begins [rad]; 0: nowhere.
    """
    path = np.concatenate([position[None], points])
    room = np.minimum(path - limits.lower, limits.upper - path).min(axis=1)
    factor = np.clip(room / max(margin, 1e-9), 0.0, 1.0) * (1 - CREEP) + CREEP
    stretch = (1 / factor[1:] + 1 / factor[:-1]) / 2 if margin > 0 else np.ones(len(times))
    return np.cumsum(np.diff(times, prepend=0.0) * stretch)


def paced(times: Array, ramp: Ramp, join_ns: int, horizon: float) -> tuple[Array, Array]:
    """Return when points are due (m,) [s after ``join_ns``], and which times of full speed.

    Points beyond the horizon are replaced by one at the horizon.
    """
    due = ramp.due(times, join_ns)
    inside = due <= horizon
    if inside.all():
        return due, times
    end = ramp.reached(horizon, join_ns)
    return np.append(due[inside], horizon), np.append(times[inside], end)


def points_at(times: Array, known: Array, points: Array) -> Array:
    """Interpolate points (m, n) that are known at times (m,)."""
    return np.stack([np.interp(times, known, column) for column in points.T], axis=1)
