# SPDX-License-Identifier: Apache-2.0
"""Automatic start of a lifecycle node, where nothing else starts it."""

from __future__ import annotations

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn


def autostart(node: LifecycleNode) -> None:
    """Configure and activate ``node`` as soon as it spins.

    A node that refuses stays in its state: correct the reported error, then `ros2 lifecycle set`.
    """

    def start() -> None:
        timer.cancel()
        try:
            if node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                node.trigger_activate()
        except RuntimeError as error:  # Another node was faster.
            node.get_logger().warning(f'not started automatically: {error}')

    # By the steady clock: a simulation's clock may not run yet.
    timer = node.create_timer(0.0, start, clock=Clock(clock_type=ClockType.STEADY_TIME))
