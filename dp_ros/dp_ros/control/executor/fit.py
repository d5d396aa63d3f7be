# SPDX-License-Identifier: Apache-2.0
"""A motion from a state to rest that passes points best, with constant jerk between knots.

It starts exactly in the state, ends at rest, and in between follows points in the sense of least
squares, which damps what changes in less time than about `Smoothing.time`::

    minimise   sum over points w_k |x(t_k) - q_k|²  +  (time / 2π)⁶ · integral of jerk²
    subject to x, x', x'' of the start, and x' = x'' = 0 at the end

The weight w_k is the time that a point stands for, so that more points do not make a path rougher.
It rises from 0 over the time `Smoothing.blend`, so that a motion turns gently to new points.

A quintic through position, velocity and acceleration of two neighbouring knots is the very cubic
of constant jerk, so a controller that interpolates with quintics commands just this trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
import math
from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.motion import Motion, State
from dp_ros.robot.trajectory import Samples
import numpy as np

KNOT: Final = 0.04
MOST_KNOTS: Final = 160
"""Most knots of a motion; over 6.4 s they are more than `KNOT` apart. Time to solve: its cube."""


_LONGEST_SPACING: Final = 0.1  # Longest time that one point stands for [s].
_LATEST_BLEND: Final = 0.5  # Longest time of a blend, as a share of the last point's time.


@dataclass(frozen=True)
class Smoothing:
    """How much smoother than the points of a chunk a motion is; by default no smoother.

    :param time: changes of the path in less time than about this are smoothed out [s].
    :param blend: time over which a motion turns from the running one to the points [s].
    """

    time: float = 0.0
    blend: float = 0.0


EXACT: Final = Smoothing()
OF_POLICIES: Final = Smoothing(time=0.5, blend=0.4)
"""For chunks of networks, which jitter from point to point and from chunk to chunk."""


class Fit:
    """Motions from ``start`` to rest that follow points (m, n) due at times (m,) [s].

    :param times: times of the points [s]; where empty, the motion only comes to rest.
    :param blend: time over which it turns to the points [s].
    """

    def __init__(self, start: State, times: Array, points: Array, blend: float = 0.0) -> None:
        self._start, self.times, self.points = start, times, points
        self._weights = np.sqrt(_weights(times, blend))[:, None]
        self._offset = self._weights * (points - _coast(start, times)[0])
        self._matrices: dict[float, Array] = {}

    def blended(self, blend: float) -> Fit:
        """Return the same with another time of the blend [s]."""
        return Fit(self._start, self.times, self.points, blend)

    def motion(self, duration: float, smoothing: float) -> Motion:
        """Return the best motion that ends at the first knot from ``duration`` [s] on.

        :param smoothing: changes in less time than about this are smoothed out [s].
        """
        step = KNOT * max(1, math.ceil(duration / (KNOT * MOST_KNOTS)))
        n_jerks = math.ceil(duration / step)
        knots = step * np.arange(n_jerks + 1, dtype=np.float64)
        integrals = [each[: n_jerks + 1, :n_jerks] for each in _all_integrals(step)]
        end = knots[-1:]
        stop = np.stack([each[-1] for each in integrals[1:]])
        missing = -np.concatenate(_coast(self._start, end)[1:])
        matrix = self._matrix(step)[:, :n_jerks]
        system = np.zeros((n_jerks + 2, n_jerks + 2))
        system[:n_jerks, :n_jerks] = matrix.T @ matrix
        system[range(n_jerks), range(n_jerks)] += (smoothing / (2 * np.pi)) ** 6 * step
        system[:n_jerks, n_jerks:] = stop.T
        system[n_jerks:, :n_jerks] = stop
        right = np.concatenate([matrix.T @ self._offset, missing])
        jerk = np.linalg.solve(system, right)[:n_jerks]
        position, velocity, acceleration = (
            coast + integral @ jerk
            for coast, integral in zip(_coast(self._start, knots), integrals, strict=True)
        )
        velocity[-1] = acceleration[-1] = 0.0
        return Motion(knots, position, velocity, acceleration)

    def _matrix(self, step: float) -> Array:
        """Return the matrix (m, MOST_KNOTS) from jerks to the positions at the points."""
        if step not in self._matrices:
            self._matrices[step] = self._weights * _integrals(self.times, step)[0]
        return self._matrices[step]


def _weights(times: Array, blend: float) -> Array:
    """Return the weights (m,) of points due at times (m,) [s]; the last has its full one."""
    if len(times) == 0:
        return times
    spacing = np.diff(times, prepend=0.0)
    spacing[0] = spacing[1] if len(times) > 1 else _LONGEST_SPACING
    blend = max(min(blend, _LATEST_BLEND * float(times[-1])), 1e-9)
    share = np.clip(times / blend, 1e-3, 1.0)
    return np.minimum(spacing, _LONGEST_SPACING) * share**2 * (3 - 2 * share)


@lru_cache
def _all_integrals(step: float) -> Samples:
    return _integrals(step * np.arange(MOST_KNOTS + 1, dtype=np.float64), step)


def _integrals(times: Array, step: float) -> Samples:
    """Return matrices (m, MOST_KNOTS) from the jerks between knots to x, x', x'' at times."""
    knots = step * np.arange(MOST_KNOTS + 1, dtype=np.float64)
    since = np.maximum(0.0, times[:, None] - knots)
    cube, square = since**3, since**2
    return (
        (cube[:, :-1] - cube[:, 1:]) / 6,
        (square[:, :-1] - square[:, 1:]) / 2,
        since[:, :-1] - since[:, 1:],
    )


def _coast(start: State, times: Array) -> Samples:
    """Return x, x', x'' at times (m,) without any jerk, each (m, n)."""
    t = times[:, None]
    acceleration = np.broadcast_to(start.acceleration, (len(times), len(start.position)))
    velocity = start.velocity + t * start.acceleration
    return (
        start.position + t * start.velocity + t**2 / 2 * start.acceleration,
        velocity,
        acceleration,
    )
