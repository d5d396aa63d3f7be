# SPDX-License-Identifier: Apache-2.0
"""How smooth a motion of the TCP is: figures that do not depend on its size and duration.

Each is that of the speed profile or of the path, from its first movement to its last:

========================  =========================================  =====================
SPARC                     arc length of the speed's spectrum         Balasubramanian 2015
log dimensionless jerk    integral of the squared jerk, logarithm    Balasubramanian 2015
speed peaks               maxima of the speed that stand out         1 for a single reach
========================  =========================================  =====================

The first two are negative; closer to 0 is smoother. A minimum-jerk reach has a log dimensionless
jerk of -ln(204.8) = -5.32 and 1 peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array
import numpy as np

RATE: Final = 100.0
"""Samples of a path per second [Hz]."""

_STILL: Final = 1e-4  # Share of the highest speed below which the movement has not begun.
_STANDS_OUT: Final = 0.05  # Share of the highest speed by which a peak is above its valleys.
_HIGHEST: Final = 10.0  # Highest frequency of a movement's speed [Hz].
_FAINTEST: Final = 0.05  # Smallest amplitude, as a share of the largest.
_PADDING: Final = 4
_FEWEST: Final = 10
_SHORTEST: Final = 0.005


@dataclass(frozen=True)
class Smoothness:
    """Figures of one path.

    :param sparc: spectral arc length of the speed; ``ldlj``: log dimensionless jerk.
    :param speed_peaks: number of peaks of the speed; ``length``: length of the path [m].
    """

    sparc: float
    ldlj: float
    speed_peaks: int
    length: float


def smoothness(path: Array) -> Smoothness | None:
    """Return the figures of a path (n, 3) [m] at `RATE`; None where hardly anything moves."""
    velocity = np.diff(path, axis=0) * RATE
    speed = np.linalg.norm(velocity, axis=1)
    length = float(speed.sum() / RATE)
    if len(speed) < _FEWEST or length < _SHORTEST:
        return None
    moving = np.flatnonzero(speed > _STILL * speed.max())
    moved = slice(moving[0], moving[-1] + 1)
    velocity, speed = velocity[moved], speed[moved]
    if len(speed) < _FEWEST:
        return None
    return Smoothness(sparc(speed), log_dimensionless_jerk(velocity), peaks(speed), length)


def until(path: Array, goal: Array, distance: float) -> Array:
    """Return a path (n, 3) up to its first point within a distance of a goal (3,) [m]."""
    near = np.flatnonzero(np.linalg.norm(path - goal, axis=1) <= distance)
    return path[: near[0] + 1] if len(near) else path


def sparc(speed: Array) -> float:
    """Return the spectral arc length of speeds (n,) at `RATE`."""
    size = 2 ** (int(np.ceil(np.log2(len(speed)))) + _PADDING)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    amplitude = np.abs(np.fft.rfft(speed, size))
    amplitude /= amplitude.max()
    heard = np.flatnonzero((amplitude >= _FAINTEST) & (frequency <= _HIGHEST))
    band = slice(heard[0], heard[-1] + 1)
    across = np.diff(frequency[band]) / (frequency[band][-1] - frequency[band][0])
    return -float(np.hypot(across, np.diff(amplitude[band])).sum())


def log_dimensionless_jerk(velocity: Array) -> float:
    """Return -ln(T³ / v² · integral of jerk²) of velocities (n, 3), v the highest speed."""
    jerk = np.diff(velocity, n=2, axis=0) * RATE**2
    duration = len(velocity) / RATE
    highest = np.linalg.norm(velocity, axis=1).max()
    return -float(np.log(duration**3 / highest**2 * (jerk**2).sum() / RATE))


def peaks(speed: Array) -> int:
    """Return how many maxima of speeds (n,) stand out from the valleys beside them."""
    threshold = _STANDS_OUT * speed.max()
    count, rising, extreme = 0, True, speed[0]
    for value in [*speed.tolist(), 0.0]:
        if rising == (value > extreme):
            extreme = value
        elif abs(value - extreme) > threshold:
            count += rising
            rising, extreme = not rising, value
    return count
