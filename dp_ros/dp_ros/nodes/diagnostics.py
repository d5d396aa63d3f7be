# SPDX-License-Identifier: Apache-2.0
"""Publish one node's health on `/diagnostics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE

Report = tuple[bytes, str, Mapping[str, Any]]


class Diagnostics:
    """Ask ``report`` for (level, message, values) every ``period`` seconds and publish it."""

    def __init__(self, node: Node, report: Callable[[], Report], period: float = 1.0) -> None:
        self._node = node
        self._report = report
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', qos)
        self._timer = node.create_timer(period, self.publish)

    def publish(self) -> None:
        """Publish the report now."""
        level, message, values = self._report()
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name(),
            hardware_id='dp_ros',
            message=message,
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )
        stamp = self._node.get_clock().now().to_msg()
        array = DiagnosticArray(status=[status])
        array.header.stamp = stamp
        self._publisher.publish(array)


def _text(value: Any) -> str:
    return f'{value:.6g}' if isinstance(value, float) else str(value)
