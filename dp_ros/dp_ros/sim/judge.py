# SPDX-License-Identifier: Apache-2.0
"""Check by an independent judge whether a real FR3 would accept a stream of commands."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.arrays import Array
from franka_sim.control_modes import ControlMode
from franka_sim.motion_limits import MotionLimitChecker
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Violation:
    """One command that the robot would refuse.

    :param sample: index of the command in the stream; ``joint``: 1 to 7.
    """

    sample: int
    error: str
    joint: int
    value: float
    limit: float


def judge(positions: Array) -> list[Violation]:
    """Check commanded joint positions (n, 7) [rad] at 1 kHz against the FR3's motion limits.

    The judge is that of franka-sim, not of this project: it reports what the robot's firmware
    would refuse.
    """
    if len(positions) == 0:
        return []
    zero = [0.0] * 7
    checker = MotionLimitChecker(enforce=False)
    first = positions[0].tolist()
    start = {'q_d': first, 'q': first, 'dq_d': zero, 'ddq_d': zero, 'tau_J_d': zero}
    checker.start_motion(ControlMode.POSITION, start, motion_id=1)
    violations = []
    for sample, position in enumerate(positions.tolist()):
        command = {'message_id': sample + 1, 'q_c': position, 'dq_c': zero}
        found = checker.check(command, position)
        if found is not None:
            violations.append(
                Violation(sample, found.error_name, found.axis, found.value, found.limit)
            )
        checker.record(command)
    return violations


def boundary_velocity_steps(
    positions: Array, trajectory_ids: NDArray[np.int64], period: float = 0.001
) -> Array:
    """Return the largest change of velocity between samples where a trajectory replaced another.

    :param positions: (n, n_joints) commanded positions [rad]; ``trajectory_ids``: (n,).
    :returns: (n_boundaries,) changes [rad/s].
    """
    velocities = np.diff(positions, axis=0) / period
    changes = np.abs(np.diff(velocities, axis=0)).max(axis=1, initial=0.0)
    changes = np.pad(changes, (1, 2))  # a boundary may be the first or the last sample
    boundaries = np.flatnonzero(np.diff(trajectory_ids)) + 1
    return np.maximum.reduce([changes[boundaries + k] for k in (-1, 0, 1)])
