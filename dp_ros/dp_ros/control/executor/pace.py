# SPDX-License-Identifier: Apache-2.0
"""Speed at which a chunk's path is followed: as fast as the chunk says or slower.

The speed is the product of

* the speed scale, which rises slowly and falls quickly to what is asked for (`Ramp`), and
* a factor of the position: within a margin of a joint's limit it falls linearly with the room
  that is left, from 1 down to `CREEP` at the limit (`Caution`).

Both are continuous, and so is the speed along the path, also where one chunk replaces another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array
from dp_ros.robot.limits import JointLimits
from dp_ros.robot.units import NS, to_ns
import numpy as np

CREEP: Final = 0.2
"""Speed at a joint's limit, as a share of full speed."""
FALL: Final = 0.3
"""Time in which the speed scale falls from 1 to 0 [s]."""
HORIZON: Final = 5.0
"""Longest time for which a slowed chunk is followed [s]."""

_TINY: Final = 1e-9


@dataclass(frozen=True)
class Ramp:
    """The speed scale over time: constant, linear, constant.

    :param begin_ns: time when it leaves ``low`` for ``target`` [ns].
    :param duration: time in which it changes by 1 [s].
    """

    begin_ns: int
    low: float
    target: float
    duration: float

    def towards(self, target: float, time_ns: int, rise: float, hurry: bool = False) -> Ramp:
        """Return the ramp that leads to another target from ``time_ns`` on.

        Until then an arm at rest has done nothing of a chunk: it begins at the first point.

        :param rise: time in which the scale rises from 0 to 1 [s].
        :param hurry: whether, without a rise, the arm hurries after the points that passed while
            it waited, to be where a person wants it now.
        """
        if target == self.target:
            return self
        low = self._scale(time_ns)
        if target < low:
            return Ramp(time_ns, low, target, FALL)
        return Ramp(time_ns, target if hurry and rise == 0 else low, target, rise)

    def done(self, from_ns: int, to_ns: int) -> float:
        """Return the progress along a path between two times [s at full speed]."""
        end_ns = self._end_ns
        after_ns = max(0, to_ns - end_ns) - max(0, from_ns - end_ns)
        return self._risen(to_ns) - self._risen(from_ns) + self.target * after_ns / NS

    def due(self, times: Array, from_ns: int) -> Array:
        """Return when points are reached [s after ``from_ns``] that full speed reaches at times.

        It is infinite for a point that is never reached because the scale falls to 0 before.

        :param from_ns: time [ns], not before the ramp begins.
        """
        scale = self._scale(from_ns)
        rising = np.minimum(times, self._risen(self._end_ns) - self._risen(from_ns))
        root = np.sqrt(np.maximum(0.0, scale**2 + 2 * self._slope * rising))
        rest = times - rising
        constant = np.full_like(rest, np.inf) if self.target == 0 else rest / self.target
        return 2 * rising / np.maximum(_TINY, scale + root) + np.where(rest > 0, constant, 0.0)

    def _scale(self, time_ns: int) -> float:
        if time_ns >= self._end_ns:
            return self.target
        return self.low + self._slope * max(0.0, self._since(time_ns))

    def _risen(self, time_ns: int) -> float:
        """Integrate the scale from the ramp's begin on, until it is constant [s]."""
        since = self._since(time_ns)
        return self.low * since + self._slope * max(0.0, since) ** 2 / 2

    def _since(self, time_ns: int) -> float:
        """Return the time since the ramp's begin, until it is constant [s].

        Times of day are subtracted as integers: as floats they would be good to 200 ns only.
        """
        return (min(time_ns, self._end_ns) - self.begin_ns) / NS

    @property
    def _end_ns(self) -> int:
        return self.begin_ns + to_ns(self.duration * abs(self.target - self.low))

    @property
    def _slope(self) -> float:
        """Return how fast the scale changes [1/s]."""
        end = (self._end_ns - self.begin_ns) / NS
        return (self.target - self.low) / end if end > 0 else 0.0


REST: Final = Ramp(0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Caution:
    """Slowing down within ``margin`` [rad] of a joint's limit; 0: no slowing down."""

    limits: JointLimits
    margin: float = 0.0

    def factor(self, positions: Array) -> Array:
        """Return the factor (m,) of the speed at positions (m, n)."""
        if self.margin == 0:
            return np.ones(len(positions))
        room = np.minimum(positions - self.limits.lower, self.limits.upper - positions)
        return CREEP + (1 - CREEP) * np.clip(room.min(axis=1) / self.margin, 0.0, 1.0)

    def stretched(self, position: Array, times: Array, points: Array) -> Array:
        """Return when points (m, n) are due with the factor applied, from a position (n,) on.

        :param times: (m,) when the points are due without the factor [s].
        """
        inverse = 1 / self.factor(np.concatenate([position[None], points]))
        return np.cumsum(np.diff(times, prepend=0.0) * (inverse[1:] + inverse[:-1]) / 2)


def paced(times: Array, ramp: Ramp, join_ns: int, horizon: float) -> tuple[Array, Array]:
    """Return when points are due (m,) [s after ``join_ns``], and at full speed (m,) [s].

    Points beyond the horizon [s] are replaced by one at the horizon.
    """
    due = ramp.due(times, join_ns)
    inside = due <= horizon
    if inside.all():
        return due, times
    end = ramp.done(join_ns, join_ns + to_ns(horizon))
    return np.append(due[inside], horizon), np.append(times[inside], end)


def points_at(times: Array, known: Array, points: Array) -> Array:
    """Interpolate points (m, n) that are known at times (m,)."""
    return np.stack([np.interp(times, known, column) for column in points.T], axis=1)
