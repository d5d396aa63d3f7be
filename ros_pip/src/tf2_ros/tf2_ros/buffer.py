# SPDX-License-Identifier: Apache-2.0
"""The buffer of transforms that a node asks, with time-outs and a clock."""

from __future__ import annotations

import time as steady
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.duration import Duration
import rclpy.logging
from rclpy.node import Node
from rclpy.time import Time
from tf2_msgs.srv import FrameGraph

from .buffer_core import BufferCore

NO_WAIT = Duration()
POLL_PERIOD = 0.02  # [s]

_UPSTREAM_ONLY = (
    'lookup_transform_async',
    'lookup_transform_full_async',
    'registration',
    'transform',
    'transform_full',
    'wait_for_transform_async',
    'wait_for_transform_full_async',
)


class Buffer(BufferCore):
    """Stores transforms; forgets all but the static ones when its clock jumps.

    :param cache_time: how far back transforms are kept, 10 s if not given.
    :param node: offers the service ``tf2_frames`` there and follows its clock.
    """

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        super().__init__(cache_time)
        self.clock = Clock() if node is None else node.get_clock()
        if node is not None:
            self.srv = node.create_service(FrameGraph, 'tf2_frames', self._answer_frames)
        threshold = JumpThreshold(
            min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True
        )
        self.jump_handle = self.clock.create_jump_callback(
            threshold, post_callback=self.time_jump_callback
        )

    def __getattr__(self, name: str) -> Any:
        if name in _UPSTREAM_ONLY:
            raise NotImplementedError(
                f'tf2_ros.Buffer.{name} is not in this stand-in; it is in the real package, '
                'ros-jazzy-tf2-ros-py (https://github.com/ros2/geometry2)'
            )
        raise AttributeError(f"'Buffer' object has no attribute '{name}'")

    def _answer_frames(
        self, _request: FrameGraph.Request, response: FrameGraph.Response
    ) -> FrameGraph.Response:
        response.frame_yaml = self.all_frames_as_yaml()
        return response

    def time_jump_callback(self, time_jump: TimeJump) -> None:
        """Forget what was before the jump."""
        rclpy.logging.get_logger('tf2_buffer').warning(
            'Detected jump back in time. Clearing tf buffer.'
        )
        self.clear()

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Time, timeout: Duration = NO_WAIT
    ) -> TransformStamped:
        """Return the source frame in the target frame; raises TransformException.

        :param time: 0 for the latest that both have.
        :param timeout: how long to wait for it, blocking.
        """
        self.can_transform(target_frame, source_frame, time, timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def lookup_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
    ) -> TransformStamped:
        """Return the source frame at one time in the target frame at another.

        :param fixed_frame: a frame that does not move between the two.
        """
        query = target_frame, target_time, source_frame, source_time, fixed_frame
        self.can_transform_full(*query, timeout)
        return self.lookup_transform_full_core(*query)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration = NO_WAIT,
        return_debug_tuple: bool = False,
    ) -> int | tuple[int, str]:
        """Return 1 if the transform is known, 0 if it is not after the timeout.

        :param return_debug_tuple: return the reason as well.
        """
        deadline = steady.monotonic() + timeout.nanoseconds * 1e-9
        result = self.can_transform_core(target_frame, source_frame, time)
        while not result[0] and steady.monotonic() < deadline:
            steady.sleep(POLL_PERIOD)
            result = self.can_transform_core(target_frame, source_frame, time)
        return result if return_debug_tuple else result[0]

    def can_transform_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
        timeout: Duration = NO_WAIT,
        return_debug_tuple: bool = False,
    ) -> int | tuple[int, str]:
        """Return 1 if the transform is known, 0 if it is not after the timeout."""
        query = target_frame, target_time, source_frame, source_time, fixed_frame
        deadline = steady.monotonic() + timeout.nanoseconds * 1e-9
        result = self.can_transform_full_core(*query)
        while not result[0] and steady.monotonic() < deadline:
            steady.sleep(POLL_PERIOD)
            result = self.can_transform_full_core(*query)
        return result if return_debug_tuple else result[0]
