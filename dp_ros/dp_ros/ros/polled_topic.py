# SPDX-License-Identifier: Apache-2.0
"""A subscription that is read on demand and does not wake the executor."""

from __future__ import annotations

from typing import Any

from dp_ros.ros.qos import NEWEST_SENSOR
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile


class PolledTopic:
    """Messages of a topic, without a callback for each.

    Every callback is a turn of the executor; at 1 kHz these alone keep a node busy.

    :param raw: whether messages stay serialised.
    """

    def __init__(
        self, node: Node, kind: Any, topic: str, qos: QoSProfile = NEWEST_SENSOR, raw: bool = False
    ) -> None:
        self._node, self._kind, self._raw = node, kind, raw
        self._subscription = node.create_subscription(
            kind, topic, lambda _: None, qos, callback_group=Never()
        )

    @property
    def name(self) -> str:
        """Full name of the topic."""
        return str(self._subscription.topic_name)

    def take(self) -> tuple[Any, int] | None:
        """Return the oldest waiting message and its time of reception [system ns], or None."""
        with self._subscription.handle:
            taken = self._subscription.handle.take_message(self._kind, self._raw)
        return None if taken is None else (taken[0], taken[1]['received_timestamp'])

    def every(self) -> list[Any]:
        """Return the waiting messages, the oldest first."""
        messages = []
        while (taken := self.take()) is not None:
            messages.append(taken[0])
        return messages

    def newest(self) -> Any | None:
        """Return the newest message that came since the last call, or None."""
        return next(reversed(self.every()), None)

    def close(self) -> None:
        """Listen no longer."""
        self._node.destroy_subscription(self._subscription)


class Never(CallbackGroup):
    """Callback group that an executor never waits for."""

    def can_execute(self, entity: Any) -> bool:
        """Refuse."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Refuse."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Fail: nothing can have begun."""
        raise AssertionError('nothing began')
