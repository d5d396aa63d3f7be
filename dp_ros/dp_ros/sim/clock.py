# SPDX-License-Identifier: Apache-2.0
"""The time of a simulation and its speed; real times are arguments."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
import math
from typing import Final

from dp_ros.arrays import Times
from dp_ros.robot.units import NS
import numpy as np

SLOW: Final = 0.9
"""Share of the wanted speed below which a simulation is slow."""

_SLIP_NS: Final = NS // 50  # A larger delay is not caught up: time would pass faster.
_SPAN_NS: Final = NS
_LEAST_NS: Final = NS // 2


class SlippingClock:
    """Simulated time that waits for a simulation that cannot keep up.

    Real times are those of a steady clock [ns].

    :param factor: simulated time per real time; 0: as fast as it computes.
    :param start_ns: simulated time at ``real_ns`` [ns].
    """

    def __init__(self, factor: float, start_ns: int, real_ns: int) -> None:
        self.factor = factor
        self._start_ns, self._real_ns = start_ns, real_ns

    def now_ns(self, real_ns: int, simulated_ns: int) -> int:
        """Return the time to simulate up to, for a simulation that is at ``simulated_ns``."""
        if self.factor == 0.0:
            return simulated_ns
        now_ns = self._start_ns + round(self.factor * (real_ns - self._real_ns))
        slip_ns = max(0, now_ns - simulated_ns - _SLIP_NS)
        self._start_ns -= slip_ns
        return now_ns - slip_ns


class Speed:
    """Simulated time per real time, over the last second."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque()

    def measure(self, real_ns: int, simulated_ns: int) -> float:
        """Take a pair of times and return the speed; NaN in the first half second."""
        marks = self._marks
        marks.append((real_ns, simulated_ns))
        while len(marks) > 1 and real_ns - marks[1][0] >= _SPAN_NS:
            marks.popleft()
        real_span = real_ns - marks[0][0]
        return (simulated_ns - marks[0][1]) / real_span if real_span >= _LEAST_NS else math.nan


def slowness(speed: float, wanted: float = 1.0) -> str:
    """Return a text with the speed of a slow simulation; empty for one that keeps up."""
    return f'the simulation runs at {speed:.2g} of real time' if speed < SLOW * wanted else ''


class TimeTable:
    """Pairs of real and simulated time, recorded from time to time [ns]."""

    def __init__(self, real_ns: Sequence[int], simulated_ns: Sequence[int]) -> None:
        self._real = np.asarray(real_ns, dtype=np.int64)
        self._simulated = np.asarray(simulated_ns, dtype=np.int64)

    def real_ns(self, simulated_ns: int) -> int:
        """Return the real time of a simulated one, interpolated; constant beyond the ends."""
        return _interpolate(simulated_ns, self._simulated, self._real)

    def simulated_ns(self, real_ns: int) -> int:
        """Return the simulated time of a real one, likewise."""
        return _interpolate(real_ns, self._real, self._simulated)

    @property
    def speed(self) -> float:
        """Simulated time per real time; NaN with fewer than two pairs."""
        real_span = int(np.ptp(self._real)) if len(self._real) else 0
        return int(np.ptp(self._simulated)) / real_span if real_span else math.nan


def _interpolate(at_ns: int, from_ns: Times, to_ns: Times) -> int:
    if not len(from_ns):
        return at_ns
    # Relative to the first one: a double does not hold the nanoseconds of an epoch.
    begin, end = from_ns[0], to_ns[0]
    return int(end) + round(float(np.interp(at_ns - begin, from_ns - begin, to_ns - end)))
