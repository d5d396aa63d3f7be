# SPDX-License-Identifier: Apache-2.0
"""Detection of a clock that goes back: a simulated one, or the system's.

ROS reports jumps of simulated clocks only. A time server may set the system's clock back, for
example after a machine's start. Timers on it then wait until it has caught up, perhaps for hours,
and so would a watchdog.
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
    """Call ``callback`` when the node's clock jumps back or changes source; keep the handle."""
    return node.get_clock().create_jump_callback(_BACK, post_callback=callback)


class ClockWatch:
    """Restarts the node's timers when the system clock is set back; reports by how much [s]."""

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
