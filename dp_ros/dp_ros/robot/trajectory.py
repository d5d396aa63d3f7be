# SPDX-License-Identifier: Apache-2.0
"""The commanded motion of a joint trajectory, sampled as Jazzy's joint_trajectory_controller does.

The simulated controller, the executor's copy of the commanded motion, and the actions read from a
recording all use this reference.
Source: ros2_controllers, joint_trajectory_controller/src/trajectory.cpp and its controller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from dp_ros.arrays import Array, Times
from dp_ros.robot.units import NS, to_ns
import numpy as np

Samples = tuple[Array, Array, Array]

_LARGEST = 1e12  # [rad, rad/s, rad/s²]; computing with a larger value may overflow.


class TrajectoryRejected(ValueError):
    """The controller refuses the trajectory; the message says why."""


@dataclass(frozen=True)
class Trajectory:
    """The contents of a JointTrajectory.

    :param start_ns: time from which ``times`` count [ns]; 0: the time when it is accepted.
    :param times: (n_points,) times of the points, from the start [s].
    :param positions: (n_points, n_joints) positions [rad]; ``velocities`` [rad/s] and
        ``accelerations`` [rad/s²] likewise; None: not given.
    """

    joint_names: tuple[str, ...]
    start_ns: int
    times: Array
    positions: Array
    velocities: Array | None = None
    accelerations: Array | None = None


class TrajectoryReference:
    """The commanded position, velocity and acceleration over time.

    A new trajectory replaces the running one at once, even if it is stamped in the future: the
    reference leads from its present state to the first point. Points that have passed are skipped
    without blending. After the last point the reference rests there.

    :param position: (n_joints,) position of rest before the first trajectory [rad].
    """

    def __init__(self, joint_names: Sequence[str], position: Array) -> None:
        self.joint_names = tuple(joint_names)
        self.trajectory_id = 0
        self._segments = _Segments.rest(np.asarray(position, dtype=np.float64))

    def accept(self, trajectory: Trajectory, now_ns: int) -> None:
        """Follow the trajectory from ``now_ns`` on.

        :raises TrajectoryRejected: where the controller rejects it; the running one goes on.
        """
        points = self._checked(trajectory, now_ns)
        start = tuple(value[0] for value in self.sample(np.array([now_ns])))
        self._segments = _Segments.bridged(start, points, now_ns)
        self.trajectory_id += 1

    def sample(self, t_ns: Times) -> Samples:
        """Return positions, velocities and accelerations, each (m, n_joints), at times (m,) [ns].

        Times before the last trajectory was accepted get the first command of that trajectory.
        """
        return self._segments.sample(np.asarray(t_ns, dtype=np.int64))

    @property
    def begin_ns(self) -> int:
        """Time from which on it is known [ns]."""
        return int(self._segments.t_ns[0])

    @property
    def end_ns(self) -> int:
        """Time when the reference comes to rest [ns]."""
        return int(self._segments.t_ns[-1])

    def knots_ns(self, after_ns: int, before_ns: int) -> Times:
        """Return the times (k,) of the points between two times [ns].

        Points given there continue the same polynomials, where it runs by points with
        accelerations.
        """
        t_ns = self._segments.t_ns
        return t_ns[(t_ns > after_ns) & (t_ns < before_ns)]

    def _checked(self, trajectory: Trajectory, now_ns: int) -> _Points:
        names = trajectory.joint_names
        if sorted(names) != sorted(self.joint_names):
            raise TrajectoryRejected(f'joints {list(names)}: needs {list(self.joint_names)}')
        order = [names.index(name) for name in self.joint_names]
        times = np.asarray(trajectory.times, dtype=np.float64)
        values = {
            'positions': _matrix('positions', trajectory.positions, times, order),
            'velocities': _matrix('velocities', trajectory.velocities, times, order),
            'accelerations': _matrix('accelerations', trajectory.accelerations, times, order),
        }
        if values['positions'] is None:
            raise TrajectoryRejected('no positions')
        _check_times(times, trajectory.start_ns, now_ns)
        last = values['velocities']
        if last is not None and np.abs(last[-1]).max() > 1e-9:
            raise TrajectoryRejected(
                f'velocity at the last point is {last[-1].tolist()}: needs zero'
            )
        start_ns = trajectory.start_ns or now_ns
        t_ns = start_ns + np.round(times * NS).astype(np.int64)
        return _Points(t_ns, values['positions'], values['velocities'], values['accelerations'])


@dataclass(frozen=True)
class _Points:
    """Checked points at absolute times [ns], joints in the reference's order."""

    t_ns: Times
    positions: Array
    velocities: Array | None
    accelerations: Array | None


def _matrix(what: str, value: Array | None, times: Array, order: list[int]) -> Array | None:
    if value is None:
        return None
    matrix = np.asarray(value, dtype=np.float64)
    if matrix.shape != (len(times), len(order)):
        raise TrajectoryRejected(
            f'{what} have shape {matrix.shape}: needs {(len(times), len(order))}'
        )
    if not np.isfinite(matrix).all():
        raise TrajectoryRejected(f'{what} hold a value that is not finite')
    if (np.abs(matrix) > _LARGEST).any():
        raise TrajectoryRejected(f'{what} hold {np.abs(matrix).max():g}: no joint does that')
    return matrix[:, order]


def _check_times(times: Array, start_ns: int, now_ns: int) -> None:
    if len(times) == 0:
        raise TrajectoryRejected('no points')
    if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) <= 0).any():
        raise TrajectoryRejected('time_from_start does not increase strictly')
    end_ns = start_ns + to_ns(float(times[-1]))
    if start_ns != 0 and end_ns < now_ns:
        raise TrajectoryRejected(f'ended {(now_ns - end_ns) / NS:.3f} s ago')


@dataclass(frozen=True)
class _Segments:
    """Polynomials between knots, constant before the first and after the last one.

    :param t_ns: (n_knots,) times of the knots [ns].
    :param coefficients: (n_segments, 6, n_joints), lowest power first, of the time from a
        segment's first knot [s].
    :param last: (n_joints,) position of rest after the last knot.
    """

    t_ns: Times
    coefficients: Array
    last: Array

    @classmethod
    def rest(cls, position: Array) -> _Segments:
        return cls(np.zeros(1, dtype=np.int64), np.zeros((0, 6, len(position))), position)

    @classmethod
    def bridged(cls, start: tuple[Array, ...], points: _Points, now_ns: int) -> _Segments:
        """Lead from the start state at ``now_ns`` through the points that lie ahead."""
        passed = int(np.searchsorted(points.t_ns, now_ns, side='right'))
        ahead = slice(max(0, passed - 1), None)
        t_ns = points.t_ns[ahead]
        columns = [points.positions[ahead], points.velocities, points.accelerations]
        columns[1:] = [None if c is None else c[ahead] for c in columns[1:]]
        if passed == 0:
            t_ns = np.concatenate([[now_ns], t_ns])
            columns = [
                None if column is None else np.concatenate([value[None], column])
                for value, column in zip(start, columns, strict=True)
            ]
        position = columns[0]
        assert position is not None
        durations = np.diff(t_ns) / NS
        return cls(t_ns, _polynomials(durations, *columns), position[-1])

    def sample(self, t_ns: Times) -> Samples:
        shape = (len(t_ns), len(self.last))
        result = np.zeros((3, *shape))
        result[0] = self.last
        if len(self.coefficients) == 0:
            return result[0], result[1], result[2]
        inside = np.flatnonzero(t_ns < self.t_ns[-1])
        clipped = np.maximum(t_ns[inside], self.t_ns[0])
        segment = np.searchsorted(self.t_ns, clipped, side='right') - 1
        tau = ((clipped - self.t_ns[segment]) / NS)[:, None]
        c = self.coefficients[segment]
        for derivative in range(3):
            value = np.zeros((len(inside), shape[1]))
            for power in range(5, derivative - 1, -1):
                value = value * tau + math.perm(power, derivative) * c[:, power]
            result[derivative, inside] = value
        return result[0], result[1], result[2]


def _polynomials(
    durations: Array,
    positions: Array | None,
    velocities: Array | None,
    accelerations: Array | None,
) -> Array:
    """Return coefficients (n_segments, 6, n_joints): linear, cubic or quintic by what is given."""
    assert positions is not None
    p0, p1 = positions[:-1], positions[1:]
    c = np.zeros((len(durations), 6, positions.shape[1]))
    t = durations[:, None]
    c[:, 0] = p0
    if velocities is None:
        c[:, 1] = (p1 - p0) / t
        return c
    v0, v1 = velocities[:-1], velocities[1:]
    c[:, 1] = v0
    if accelerations is None:
        c[:, 2] = (3 * (p1 - p0) / t - 2 * v0 - v1) / t
        c[:, 3] = (v0 + v1 - 2 * (p1 - p0) / t) / t**2
        return c
    a0, a1 = accelerations[:-1], accelerations[1:]
    d = p1 - p0
    c[:, 2] = a0 / 2
    c[:, 3] = (20 * d - (8 * v1 + 12 * v0) * t - (3 * a0 - a1) * t**2) / (2 * t**3)
    c[:, 4] = (-30 * d + (14 * v1 + 16 * v0) * t + (3 * a0 - 2 * a1) * t**2) / (2 * t**4)
    c[:, 5] = (12 * d - 6 * (v1 + v0) * t - (a0 - a1) * t**2) / (2 * t**5)
    return c
