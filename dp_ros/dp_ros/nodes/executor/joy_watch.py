# SPDX-License-Identifier: Apache-2.0
"""The button of `joy` that has to be held for the arm to move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dp_ros.control.executor.deadman import Deadman
from dp_ros.control.executor.interlocks import DEADMAN
from dp_ros.ros.qos import NEWEST_SENSOR
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Joy

_TICK: Final = 0.02


class JoyWatch:
    """Holds the interlock `deadman`, by a steady clock: simulated time may stand still.

    :param inhibit: function that sets an interlock with a reason; ``permit`` clears it.
    """

    def __init__(
        self,
        node: Node,
        deadman: Deadman,
        inhibit: Callable[[str, str], None],
        permit: Callable[[str], None],
    ) -> None:
        self._deadman = deadman
        self._inhibit, self._permit = inhibit, permit
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_subscription(Joy, 'joy', self._on_joy, NEWEST_SENSOR)
        node.create_timer(_TICK, self._watch, clock=self._clock)
        self._watch()

    def _on_joy(self, message: Joy) -> None:
        self._deadman.on_buttons(message.buttons, self._clock.now().nanoseconds)
        self._watch()

    def _watch(self) -> None:
        reason = self._deadman.reason(self._clock.now().nanoseconds)
        if reason is None:
            self._permit(DEADMAN)
        else:
            self._inhibit(DEADMAN, reason)
