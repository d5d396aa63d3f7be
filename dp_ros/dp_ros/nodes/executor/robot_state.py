# SPDX-License-Identifier: Apache-2.0
"""Mode and errors that a Franka reports, where franka_msgs is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dp_ros.control.checks.robot_watch import RobotWatch
from dp_ros.control.executor.chunk_executor import TICK
from dp_ros.control.executor.stalls import Stalls
from dp_ros.ros.polled_topic import PolledTopic
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

_TOPIC = 'franka_robot_state_broadcaster/robot_state'


class RobotState:
    """Feeds a `RobotWatch`, with a clock that stands still while this process is not run."""

    def __init__(self, node: Node, watch: RobotWatch) -> None:
        self._watch = watch
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._ticks, self._missed_ns = Stalls(TICK), 0
        self._topic: PolledTopic | None = None
        try:
            kind = import_module('franka_msgs.msg').FrankaRobotState
        except ModuleNotFoundError:
            node.get_logger().info('franka_msgs is not installed: reflexes are not seen')
            return
        self._topic = PolledTopic(node, kind, _TOPIC)

    def inhibition(self) -> str | None:
        """Return why the robot cannot be moved now, or None; call it at every `TICK`."""
        now_ns = int(self._steady.now().nanoseconds)
        self._missed_ns += self._ticks.late_ns(now_ns)
        now_ns -= self._missed_ns
        state = None if self._topic is None else self._topic.newest()
        if state is not None:
            errors, last = _names(state.current_errors), _names(state.last_motion_errors)
            self._watch.on_state(state.robot_mode, errors, last, now_ns)
        return self._watch.inhibition(now_ns)


def _names(errors: Any) -> list[str]:
    return [name for name in errors.get_fields_and_field_types() if getattr(errors, name)]
