# SPDX-License-Identifier: Apache-2.0
"""What arm and gripper will do until the next chunk joins, from what they were sent."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Final

from dp_ros.arrays import Array
from dp_ros.data.windows.committed import CommittedActions
from dp_ros.robot.trajectory import TrajectoryRejected
from dp_ros.robot.trajectory_message import trajectory_from_msg
from dp_ros.robot.units import to_ns
from dp_ros.ros.conversions import time_to_ns
from dp_ros.ros.qos import EVERY
from dp_ros.task.task import Task
from dp_ros_msgs.msg import ExecutorStatus
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

_RECENT: Final = 5
"""Number of chunks whose delay is expected again."""


class Commitment:
    """Follows the trajectories on a task's topics, and when the executor let chunks join.

    A chunk is expected to join as long after its observation as the slowest of the last few: one
    that joins sooner begins with what the arm does then too.

    :param most: largest number of committed actions that are wanted; 0: nothing is followed.
    """

    def __init__(self, node: Node, task: Task, most: int) -> None:
        self._node, self._most = node, most
        self._actions = CommittedActions(task.joint_names, task.dt)
        self._longest_ns = to_ns(task.horizon * task.dt)
        self._delays: deque[int] = deque(maxlen=_RECENT)
        self._stamp_ns = 0
        self._subscriptions = [
            node.create_subscription(kind, topic, heard, EVERY)
            for kind, topic, heard in (
                (JointTrajectory, task.topics.commands, self._on_command),
                (JointTrajectory, task.topics.gripper, self._on_command),
                (ExecutorStatus, 'executor/status', self._on_status),
            )
            if most > 0
        ]

    def close(self) -> None:
        """End the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def forget(self) -> None:
        """Forget all trajectories and delays, for example after a jump of the clock."""
        self._actions.forget()
        self._delays.clear()

    def prefix(self, stamp_ns: int) -> Array:
        """Return the committed actions (delay, J) of a chunk, none before a first one joined."""
        delay_ns = max(self._delays, default=-1)
        most = self._most if self._delays else 0
        return self._actions.until(stamp_ns, stamp_ns + delay_ns, most)

    def _on_command(self, message: JointTrajectory) -> None:
        with suppress(TrajectoryRejected):
            trajectory = trajectory_from_msg(message)
            self._actions.accept(self._node.get_clock().now().nanoseconds, trajectory)

    def _on_status(self, message: ExecutorStatus) -> None:
        stamp_ns, join_ns = time_to_ns(message.chunk_stamp), time_to_ns(message.chunk_join)
        # Clocks that are not synchronized give any delay.
        if stamp_ns != self._stamp_ns and 0 < join_ns - stamp_ns < self._longest_ns:
            self._stamp_ns = stamp_ns
            self._delays.append(join_ns - stamp_ns)
