# SPDX-License-Identifier: Apache-2.0
"""Publisher of a node's state on `/diagnostics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from dp_ros.ros.guard import failures, note_failure
from dp_ros.ros.qos import EVERY
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR

Report = tuple[bytes, str, Mapping[str, Any]]


class Diagnostics:
    """Ask ``report`` for (level, message, values) every ``period`` seconds and publish it.

    The period is that of a steady clock, so that faults of other clocks are reported too.
    """

    def __init__(self, node: Node, report: Callable[[], Report], period: float = 1.0) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', EVERY)
        self._failed = 0
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(period, self.publish, clock=steady)

    def publish(self) -> None:
        """Publish the report now."""
        level, message, values = self._with_failures()
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

    def _with_failures(self) -> Report:
        """Return the report with the number of failed callbacks; a new failure is an error."""
        try:
            level, message, values = self._report()
        except Exception as error:
            note_failure(self._node, error)
            level, message, values = ERROR, 'no report', {}
        found = failures(self._node)
        if found.count > self._failed:
            self._failed = found.count
            level, message = ERROR, f'a callback failed, see the log: {found.last}; {message}'
        return level, message, {**values, 'callbacks failed': found.count}


def _text(value: Any) -> str:
    return f'{value:.6g}' if isinstance(value, float) else str(value)
