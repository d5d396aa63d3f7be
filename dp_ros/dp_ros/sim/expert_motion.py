# SPDX-License-Identifier: Apache-2.0
"""Parts of scripted experts: minimum-jerk motions of the TCP as joint trajectories."""

from __future__ import annotations

from typing import Final

from dp_ros.arrays import Array
from dp_ros.robot import kinematics
from dp_ros.robot.trajectory import Trajectory
from dp_ros.sim.world import READY
import numpy as np

FINE: Final = 0.01
"""Time between two points of a path [s]."""

KEEP_EVERY: Final = 4
"""Number of points of a path per point of its trajectory."""


def path_times(duration: float) -> Array:
    """Return the times of a path's points [s]; they make whole steps of its trajectory."""
    steps = KEEP_EVERY * round(duration / FINE / KEEP_EVERY)
    return np.arange(steps + 1, dtype=np.float64) * FINE


def minimum_jerk(progress: Array) -> Array:
    """Return a minimum-jerk motion from 0 to 1 (Flash and Hogan 1985), constant outside."""
    s = np.clip(progress, 0, 1)
    return s**3 * (10 - 15 * s + 6 * s**2)


def down(yaw: float) -> Array:
    """Return the orientation of a hand that points down, turned about the vertical [rad]."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ kinematics.DOWN


def joint_trajectory(points: Array, yaws: Array | None = None) -> Trajectory:
    """Convert a path of the TCP to a trajectory of the arm, which rests at both ends.

    :param points: (n, 3) positions [m] every 10 ms; ``yaws``: (n,) angles of the hand [rad], or 0.
    :returns: joint positions, velocities and accelerations every 40 ms; ``start_ns`` is 0.
    """
    yaws = np.zeros(len(points)) if yaws is None else yaws
    positions = np.empty((len(points), 7))
    near = READY
    for index, (point, yaw) in enumerate(zip(points, yaws, strict=True)):
        near = positions[index] = kinematics.inverse(point, near, down(float(yaw)))
    velocities = _derivative(positions)
    accelerations = _derivative(velocities)
    kept = slice(KEEP_EVERY, None, KEEP_EVERY)
    return Trajectory(
        kinematics.JOINT_NAMES,
        0,
        (np.arange(len(points)) * FINE)[kept].astype(np.float64),
        positions[kept],
        velocities[kept].astype(np.float64),
        accelerations[kept].astype(np.float64),
    )


def _derivative(values: Array) -> Array:
    """Return the rate of change of rows 10 ms apart; zero at both ends, where the arm rests."""
    rate = np.zeros_like(values)
    rate[1:-1] = (values[2:] - values[:-2]) / (2 * FINE)
    return rate
