# SPDX-License-Identifier: Apache-2.0
"""What a Franka says of its mode and errors, where franka_msgs is installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dp_ros.control.robot_watch import RobotWatch
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message

_TOPIC = 'franka_robot_state_broadcaster/robot_state'


class RobotState:
    """Feeds a `RobotWatch`; reads only the newest message, for they come at 1 kHz."""

    def __init__(self, node: Node, watch: RobotWatch) -> None:
        self._watch = watch
        self._newest: bytes | None = None
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        try:
            self._type = import_module('franka_msgs.msg').FrankaRobotState
        except ModuleNotFoundError:
            node.get_logger().info('franka_msgs is not installed: reflexes are not seen')
            return
        node.create_subscription(
            self._type, _TOPIC, self._on_state, qos_profile_sensor_data, raw=True
        )

    def _on_state(self, serialized: bytes) -> None:
        self._newest = serialized

    def inhibition(self) -> str | None:
        """Say why the robot cannot be moved now, or return None."""
        now_ns = int(self._steady.now().nanoseconds)
        if self._newest is not None:
            state = deserialize_message(self._newest, self._type)
            self._newest = None
            errors, last = _names(state.current_errors), _names(state.last_motion_errors)
            self._watch.on_state(state.robot_mode, errors, last, now_ns)
        return self._watch.inhibition(now_ns)


def _names(errors: Any) -> list[str]:
    return [name for name in errors.get_fields_and_field_types() if getattr(errors, name)]
