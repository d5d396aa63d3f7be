# SPDX-License-Identifier: Apache-2.0
"""Reader of JointTrajectory messages, of rclpy or of a bag, for nodes and recordings alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dp_ros.arrays import Array
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
from dp_ros.robot.units import NS
import numpy as np


def trajectory_from_msg(message: Any) -> Trajectory:
    """Return the trajectory of a message; values that no point holds are None.

    :raises TrajectoryRejected: when its points hold different numbers of values.
    """
    positions = _matrix(message.points, 'positions')
    if positions is None:
        positions = np.zeros((0, len(message.joint_names)))
    return Trajectory(
        joint_names=tuple(message.joint_names),
        start_ns=_nanoseconds(message.header.stamp),
        times=np.array([_nanoseconds(p.time_from_start) / NS for p in message.points]),
        positions=positions,
        velocities=_matrix(message.points, 'velocities'),
        accelerations=_matrix(message.points, 'accelerations'),
    )


def _matrix(points: Sequence[Any], name: str) -> Array | None:
    rows = [getattr(point, name) for point in points]
    lengths = [len(row) for row in rows]
    for index, length in enumerate(lengths):
        if length != lengths[0]:
            raise TrajectoryRejected(
                f'points of different lengths: {lengths[0]} {name} in the first, {length} in '
                f'point {index}; give them in all points or in none'
            )
    return np.array(rows, dtype=np.float64) if any(lengths) else None


def _nanoseconds(stamp: Any) -> int:
    return int(stamp.sec) * NS + int(stamp.nanosec)
