# SPDX-License-Identifier: Apache-2.0
"""Motions by ruckig (Berscheid and Kroeger 2021): the fastest brake, and a gentle approach."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.motion import Motion, SpliceError, State
from dp_ros.robot.limits import JointLimits
import numpy as np
from ruckig import (
    ControlInterface,
    InputParameter,
    Ruckig,
    RuckigError,
    Synchronization,
    Trajectory,
)

APPROACH_TIME: Final = 5.0
"""Time of an approach; one that would take longer ends on its way after about this [s]."""

_VELOCITY: Final = 0.2  # Share of the limit that an approach uses: 0.5 rad/s at joints 1 to 4.
_BRAKING: Final = 0.4  # Share of the deceleration by which the velocity limit shrinks.
_ACCELERATION: Final = 3.0
_JERK: Final = 60.0
_SLOWEST: Final = 0.01
_HASTE: Final = ((1.0, 1.0), (0.4, 1.0), (0.4, 3.0))
_APPROACH_STEP: Final = 0.04
_BRAKE_STEP: Final = 0.01
_BRAKE_JERK: Final = 500.0
_UNSOLVED: Final = (RuckigError, ValueError)  # The second for a result that has no name.


def time_optimal_brake(start: State, limits: JointLimits) -> Motion:
    """Brake in the shortest time.

    :raises SpliceError: when there is no braking motion from such a state.
    """
    problem = _problem(start, 0.95 * limits.acceleration, _jerk(_BRAKE_JERK, limits))
    problem.control_interface = ControlInterface.Velocity
    solution = _solved(problem)
    if solution is None:
        raise SpliceError(f'no braking motion from velocity {start.velocity.round(3).tolist()}')
    return _motion(solution, _BRAKE_STEP)


def approach(start: State, target: Array, limits: JointLimits, speed: float = 1.0) -> Motion:
    """Lead to rest at a target (n,), or on the way to it if it is further than `APPROACH_TIME`.

    :param speed: share of the approach's velocity, 0 to 1.
    :raises SpliceError: when no approach stays inside the limits.
    """
    acceleration = np.minimum(_ACCELERATION, _BRAKING * limits.deceleration)
    for slower, harder in _HASTE:
        problem = _problem(start, harder * acceleration, _jerk(harder * _JERK, limits))
        problem.max_velocity = slower * max(speed, _SLOWEST) * _VELOCITY * limits.velocity
        solution = _towards(problem, start, target)
        if solution is not None:
            motion = _motion(solution, _APPROACH_STEP)
            if motion.keeps(limits):
                return motion
    raise SpliceError(
        f'no approach inside the limits from velocity {start.velocity.round(3).tolist()} at '
        f'{start.position.round(3).tolist()}'
    )


def solve(calculation: Callable[[], object], problem: InputParameter) -> None:
    """Run a calculation of ruckig; if it fails, run it again without synchronized joints.

    Synchronization sometimes fails by rounding where joints move almost alike.

    :raises RuckigError, ValueError: when there is no solution.
    """
    try:
        calculation()
    except _UNSOLVED:
        wanted, problem.synchronization = problem.synchronization, Synchronization.No
        try:
            calculation()
        finally:
            problem.synchronization = wanted


def _towards(problem: InputParameter, start: State, target: Array) -> Trajectory | None:
    # A joint that stays where it is is left out: rounding would move it beyond a limit.
    moving = (start.velocity != 0) | (start.acceleration != 0)
    problem.enabled = (moving | (target != start.position)).tolist()
    problem.target_position = target
    solution = _solved(problem)
    if solution is None or solution.duration <= APPROACH_TIME:
        return solution
    share = APPROACH_TIME / solution.duration
    stopped = start.velocity * np.abs(start.velocity) / (2 * np.array(problem.max_acceleration))
    stopped += start.position
    problem.target_position = stopped + share * (target - stopped)
    nearer = _solved(problem)
    return nearer if nearer is not None and nearer.duration < 2 * APPROACH_TIME else None


def _problem(start: State, acceleration: Array, jerk: Array) -> InputParameter:
    n_joints = len(start.position)
    problem = InputParameter(n_joints)
    problem.current_position = start.position
    problem.current_velocity = start.velocity
    problem.current_acceleration = start.acceleration
    problem.target_velocity = problem.target_acceleration = [0.0] * n_joints
    problem.max_acceleration = acceleration
    problem.max_jerk = jerk
    return problem


def _jerk(jerk: float, limits: JointLimits) -> Array:
    """Return what joints (n,) have of a jerk within half their limits, which motions keep to."""
    return np.minimum(jerk, 0.49 * limits.jerk)


def _solved(problem: InputParameter) -> Trajectory | None:
    ruckig, solution = Ruckig(problem.degrees_of_freedom), Trajectory(problem.degrees_of_freedom)
    try:
        solve(lambda: ruckig.calculate(problem, solution), problem)
    except _UNSOLVED:
        return None
    return solution


def _motion(solution: Trajectory, step: float) -> Motion:
    """Return the motion with knots ``step`` [s] apart or closer."""
    duration = max(solution.duration, step)
    times: Array = np.linspace(0.0, duration, 1 + math.ceil(duration / step))
    states = [solution.at_time(t) for t in times.tolist()]
    position, velocity, acceleration = (
        np.array([state[row] for state in states], dtype=np.float64) for row in range(3)
    )
    velocity[-1] = acceleration[-1] = 0.0
    return Motion(times, position, velocity, acceleration)
