# SPDX-License-Identifier: Apache-2.0
"""A topic that is read when its reader wants it, and wakes nobody meanwhile."""

from __future__ import annotations

from typing import Any

from dp_ros.ros.qos import NEWEST_SENSOR
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile


class PolledTopic:
    """The messages of a topic, without a callback for each.

    Every callback is a turn of the executor; at 1 kHz those alone keep a node busy.

    :param raw: give the messages as they came, serialised.
    """

    def __init__(
        self, node: Node, kind: Any, topic: str, qos: QoSProfile = NEWEST_SENSOR, raw: bool = False
    ) -> None:
        self._kind, self._raw = kind, raw
        self._subscription = node.create_subscription(
            kind, topic, lambda _: None, qos, callback_group=Never()
        )

    @property
    def name(self) -> str:
        """The topic's full name."""
        return str(self._subscription.topic_name)

    def take(self) -> tuple[Any, int] | None:
        """Return the first message that waits and when it came [system clock, ns], or None."""
        with self._subscription.handle:
            taken = self._subscription.handle.take_message(self._kind, self._raw)
        return None if taken is None else (taken[0], taken[1]['received_timestamp'])

    def newest(self) -> Any | None:
        """Return the newest message that came since the last call, or None."""
        newest = None
        while (taken := self.take()) is not None:
            newest = taken[0]
        return newest


class Never(CallbackGroup):
    """What an executor never waits for."""

    def can_execute(self, entity: Any) -> bool:
        """Say no."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Say no."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Fail, for nothing began."""
        raise AssertionError('nothing began')
