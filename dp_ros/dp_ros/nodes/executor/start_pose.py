# SPDX-License-Identifier: Apache-2.0
"""Which pose `~/go_to_start` leads to: that of the policy's task, or of a task file."""

from __future__ import annotations

from pathlib import Path

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.robot.joint_names import in_order
from dp_ros.task.task import Task
from dp_ros.task.task_file import read_task
import numpy as np


def task_of(file: str) -> Task | None:
    """Return the task of a file or of a checkpoint's folder; None for an empty name.

    :raises ConfigError: when it cannot be read.
    """
    return read_task(Path(file).expanduser()) if file else None


def start_pose(joint_names: tuple[str, ...], policy: Task | None, file: Task | None) -> Array:
    """Return the start pose (n,) [rad], the joints in order.

    :param policy: task of the policy, if one runs; ``file``: of the parameter ``task``.
    :raises ChunkRefused: when none is known, or two differ.
    """
    poses = []
    for task in (policy, file):
        if task is not None and task.start_positions:
            try:
                poses.append(in_order(joint_names, task.joints, task.start_positions))
            except ValueError as error:
                raise ChunkRefused(f'start_positions: {error}') from error
    if not poses:
        raise ChunkRefused(
            'no start pose is known: write start_positions into the task file, and name it in the '
            "executor's parameter task"
        )
    if len(poses) == 2 and not np.array_equal(*poses):
        raise ChunkRefused(
            f'start_positions of policy/contract and of the parameter task differ: '
            f'{poses[0].tolist()} and {poses[1].tolist()}'
        )
    return poses[0]
