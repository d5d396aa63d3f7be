# SPDX-License-Identifier: Apache-2.0
"""Notice that a clock went back: a simulated one, or the system's.

ROS tells of jumps of a simulated clock only. The system's is set back by a time server, say after
the start of a machine; timers on it wait until it has caught up, for hours maybe, and so would a
watchdog.
"""

from __future__ import annotations

from collections.abc import Callable

from dp_ros.robot.units import NS
from rclpy.clock import Clock, JumpHandle, JumpThreshold, TimeJump
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.node import Node

_PERIOD = 0.1
_BACK = JumpThreshold(
    min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
)


def on_jump_back(node: Node, callback: Callable[[TimeJump], None]) -> JumpHandle:
    """Call back when the node's clock jumps back or changes its source, while the handle lives."""
    return node.get_clock().create_jump_callback(_BACK, post_callback=callback)


class ClockWatch:
    """Lets the node's timers begin anew, and calls ``set_back`` with by how much [s]."""

    def __init__(self, node: Node, set_back: Callable[[float], None]) -> None:
        self._node = node
        self._set_back = set_back
        self._last_ns = self._now_ns()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PERIOD, self._look, clock=steady)

    def _look(self) -> None:
        last_ns, self._last_ns = self._last_ns, self._now_ns()
        if self._last_ns >= last_ns or self._node.get_clock().ros_time_is_active:
            return
        for timer in self._node.timers:
            if not timer.is_canceled():
                timer.reset()
        self._set_back((last_ns - self._last_ns) / NS)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
