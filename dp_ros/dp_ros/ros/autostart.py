# SPDX-License-Identifier: Apache-2.0
"""Bring a lifecycle node up by itself, where nobody is there to do it."""

from __future__ import annotations

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn


def autostart(node: LifecycleNode) -> None:
    """Configure and activate ``node`` as soon as it spins.

    A node that refuses stays where it is: correct what it says and `ros2 lifecycle set` it.
    """

    def start() -> None:
        timer.cancel()
        try:
            if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                node.trigger_activate()
        except RuntimeError as error:  # Somebody was faster.
            node.get_logger().warning(f'not brought up by itself: {error}')

    # On the steady clock, for a simulation's clock may not run yet.
    timer = node.create_timer(0.0, start, clock=Clock(clock_type=ClockType.STEADY_TIME))
