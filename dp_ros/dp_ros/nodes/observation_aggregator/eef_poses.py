# SPDX-License-Identifier: Apache-2.0
"""End-effector poses of the past from tf."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import PoseStamped
from rclpy.clock import TimeJump
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, TransformException, TransformListener


class _Buffer(Buffer):
    """Buffer that forgets at a jump back of the clock; that of tf2_ros 0.36.3 raises TypeError."""

    def time_jump_callback(self, time_jump: TimeJump) -> None:
        self.clear()


class EefPoses:
    """Looks up past poses of the end effector; without a frame it returns none.

    :param eef_frame: frame of the end effector; empty: no poses are looked up.
    """

    def __init__(self, node: Node, base_frame: str, eef_frame: str) -> None:
        self._base_frame = base_frame
        self._eef_frame = eef_frame
        if eef_frame:
            self._buffer = _Buffer(node=node)
            self._listener = TransformListener(self._buffer, node)

    def lookup(self, times_ns: Sequence[int]) -> list[PoseStamped] | str:
        """Return the pose at each time [ns], or a text why there is none (yet)."""
        if not self._eef_frame:
            return []
        try:
            return [self._pose(time_ns) for time_ns in times_ns]
        except TransformException as error:
            return f'tf: {error}'

    def _pose(self, time_ns: int) -> PoseStamped:
        found = self._buffer.lookup_transform(
            self._base_frame, self._eef_frame, Time(nanoseconds=time_ns)
        )
        pose = PoseStamped(header=found.header)
        offset = found.transform.translation
        pose.pose.position.x = offset.x
        pose.pose.position.y = offset.y
        pose.pose.position.z = offset.z
        pose.pose.orientation = found.transform.rotation
        return pose
