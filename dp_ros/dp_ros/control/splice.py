# SPDX-License-Identifier: Apache-2.0
"""Join a chunk to what the arm is commanded to do, and end in a braking tail.

The trajectory has constant jerk between knots 40 ms apart. It starts exactly in the state that the
arm is commanded to be in, ends at rest, and in between follows the chunk in the sense of least
squares::

    minimise   sum over points |x(t_k) - q_k|²  +  smoothing · integral of jerk²
    subject to x, x', x'' of the start, and x' = x'' = 0 at the end

A quintic through position, velocity and acceleration of two neighbouring knots is the very cubic
of constant jerk, so a controller that interpolates with quintics commands just this trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.control.limits import JointLimits
import numpy as np
from numpy.typing import NDArray
from ruckig import ControlInterface, InputParameter, Ruckig, RuckigError
from ruckig import Trajectory as RuckigTrajectory

Array = NDArray[np.float64]

KNOT: Final = 0.04
_FOLLOW: Final = ((1e-10, 0.4), (1e-9, 0.5), (1e-8, 0.6), (1e-7, 0.8), (1e-6, 1.0), (1e-5, 1.2))
_SLOWER: Final = (1.0, 1.5, 2.5, 4.0)
_BRAKE: Final = (0.12, 0.2, 0.28, 0.4, 0.6, 0.8, 1.2)
_FINE: Final = 0.01
_INWARDS: Final = 0.01  # [rad], by which a motion may run past a point where it turns or stops
_LONGEST: Final = 60.0  # Time to solve grows with the cube of the number of knots.
_LONGEST_SLOWER: Final = 4.0  # No chunk is made slower than this lasts [s].
_RUCKIG_STEP: Final = 0.01
_RUCKIG_JERK: Final = 500.0


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

    :param times: (m,) [s after the start state], the first at 0.
    :param deviation: largest distance from a point that was to be followed [rad].
    """

    times: Array
    positions: Array
    velocities: Array
    accelerations: Array
    deviation: float = 0.0

    def sampled(self) -> tuple[Array, Array, Array]:
        """Return positions, velocities and accelerations (m, n) every 10 ms."""
        times: Array = np.arange(0.0, self.times[-1], _FINE)
        segment = np.searchsorted(self.times[1:-1], times, side='right')
        t = (times - self.times[segment])[:, None]
        p, v, a = (x[segment] for x in (self.positions, self.velocities, self.accelerations))
        j = self.jerks[segment]
        return p + t * v + t**2 / 2 * a + t**3 / 6 * j, v + t * a + t**2 / 2 * j, a + t * j

    @property
    def jerks(self) -> Array:
        """Jerks (m - 1, n) between the knots [rad/s³]."""
        return np.diff(self.accelerations, axis=0) / np.diff(self.times)[:, None]


def follow(start: State, times: Array, points: Array, limits: JointLimits) -> Motion:
    """Lead from ``start`` through points (m, n) due at ``times`` (m,) [s], then brake to rest.

    Points that cannot be reached inside the limits are approached more and more smoothly, and
    then later than they are due, in the same order: an arm that stayed would never get there.

    :raises SpliceError: when the points reach too far into the future, or braking fails.
    """
    if times[-1] > _LONGEST:
        raise SpliceError(f'points reach {times[-1]:.1f} s ahead: at most {_LONGEST:.0f} s')
    lower, upper = limits.range()
    points = np.clip(points, lower + _INWARDS, upper - _INWARDS)
    for slower in _SLOWER:
        due: Array = slower * times
        if slower > 1.0 and due[-1] > _LONGEST_SLOWER:
            break
        for smoothing, tail in _FOLLOW:
            motion = _least_squares(start, due, points, float(due[-1]) + tail, smoothing)
            if _inside(motion, limits):
                return motion
    return brake(start, limits)


def brake(start: State, limits: JointLimits) -> Motion:
    """Come to rest as soon as is smoothly possible.

    :raises SpliceError: when there is no braking motion from such a state.
    """
    nothing = np.zeros(0), np.zeros((0, len(start.position)))
    for duration in _BRAKE:
        motion = _least_squares(start, *nothing, duration, 1.0)
        if _inside(motion, limits):
            return motion
    return _time_optimal_brake(start, limits)


def _least_squares(
    start: State, times: Array, points: Array, duration: float, smoothing: float
) -> Motion:
    knots: Array = KNOT * np.arange(int(np.ceil(duration / KNOT)) + 1, dtype=np.float64)
    follow_matrix = _integrals(times, knots)[0]
    offset = points - _coast(start, times)[0]
    end = np.array([knots[-1]])
    stop = np.concatenate(_integrals(end, knots)[1:])
    missing = -np.concatenate(_coast(start, end)[1:])
    n_jerks, n_stops = len(knots) - 1, len(stop)
    system = np.zeros((n_jerks + n_stops, n_jerks + n_stops))
    system[:n_jerks, :n_jerks] = follow_matrix.T @ follow_matrix
    system[:n_jerks, :n_jerks] += smoothing * KNOT * np.eye(n_jerks)
    system[:n_jerks, n_jerks:] = stop.T
    system[n_jerks:, :n_jerks] = stop
    right = np.concatenate([follow_matrix.T @ offset, missing])
    jerk = np.linalg.solve(system, right)[:n_jerks]
    deviation = np.abs(follow_matrix @ jerk - offset).max(initial=0.0)
    moves = (
        coast + matrix @ jerk
        for coast, matrix in zip(_coast(start, knots), _integrals(knots, knots), strict=True)
    )
    position, velocity, acceleration = moves
    velocity[-1] = acceleration[-1] = 0.0
    return Motion(knots, position, velocity, acceleration, float(deviation))


def _integrals(times: Array, knots: Array) -> tuple[Array, Array, Array]:
    """Return matrices (m, n_jerks) from the jerks between knots to x, x', x'' at times."""
    since = np.maximum(0.0, times[:, None] - knots[None, :-1])
    after = np.maximum(0.0, times[:, None] - knots[None, 1:])
    return (since**3 - after**3) / 6, (since**2 - after**2) / 2, since - after


def _coast(start: State, times: Array) -> tuple[Array, Array, Array]:
    """Return x, x', x'' at times (m,) without any jerk, each (m, n)."""
    t = times[:, None]
    acceleration = np.broadcast_to(start.acceleration, (len(times), len(start.position)))
    velocity = start.velocity + t * start.acceleration
    return (
        start.position + t * start.velocity + t**2 / 2 * start.acceleration,
        velocity,
        acceleration,
    )


def _inside(motion: Motion, limits: JointLimits) -> bool:
    """Tell whether the motion, sampled finely, stays inside the limits."""
    if limits.violation(*motion.sampled()) is None:
        return bool((np.abs(motion.jerks) < 0.5 * limits.jerk).all())
    return False


def _time_optimal_brake(start: State, limits: JointLimits) -> Motion:
    """Brake by ruckig (Berscheid and Kroeger 2021), which is inside the limits by construction."""
    n_joints = len(start.position)
    problem = InputParameter(n_joints)
    problem.control_interface = ControlInterface.Velocity
    problem.current_position = start.position
    problem.current_velocity = start.velocity
    problem.current_acceleration = start.acceleration
    problem.target_velocity = [0.0] * n_joints
    problem.target_acceleration = [0.0] * n_joints
    problem.max_acceleration = 0.95 * limits.acceleration
    problem.max_jerk = np.full(n_joints, _RUCKIG_JERK)
    solution = RuckigTrajectory(n_joints)
    try:
        Ruckig(n_joints).calculate(problem, solution)
    except RuckigError as error:
        velocity = start.velocity.round(3).tolist()
        raise SpliceError(f'no braking motion from velocity {velocity}') from error
    times: Array = np.arange(
        0.0, solution.duration + 2 * _RUCKIG_STEP, _RUCKIG_STEP, dtype=np.float64
    )
    states = [solution.at_time(min(t, solution.duration)) for t in times]
    position, velocity, acceleration = (
        np.array([state[row] for state in states], dtype=np.float64) for row in range(3)
    )
    velocity[-1] = acceleration[-1] = 0.0
    return Motion(times, position, velocity, acceleration)
