# SPDX-License-Identifier: Apache-2.0
"""Setting of a node's simulated clock in a thread of its own, as rclcpp does.

rclpy sets it in a callback. At 100 Hz this takes a tenth of a core per node (measured), and while
another callback runs the clock stands still: a slow callback seems to take no time.
"""

from __future__ import annotations

from collections.abc import Iterator
import threading
from typing import Any

from dp_ros.ros.conversions import time_to_ns
from dp_ros.ros.polled_topic import Never
from rclpy.node import Node
from rclpy.subscription import Subscription

_PERIOD = 0.004


class ClockReader:
    """Reads `/clock` in a thread until `close`, for a node that follows it.

    A time that goes back is set in the node's own thread, where its jump callbacks belong.
    """

    def __init__(self, node: Node) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_ns, self._back = 0, None
        # The node's own subscription to /clock is its first; without simulated time it has none.
        clocks = (s for s in node.subscriptions if s.topic_name == '/clock')
        subscription = next(clocks, None) if node.get_clock().ros_time_is_active else None
        if subscription is None:
            return
        # Its events too: a message that waits would wake whoever waits for them.
        for entity in (subscription, *subscription.event_handlers):
            entity.callback_group = Never()
        self._set = subscription.callback
        self._jump = node.create_guard_condition(self._go_back)
        self._thread = threading.Thread(target=self._read, args=(subscription,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, before the node is destroyed."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _read(self, subscription: Subscription) -> None:
        while not self._over.wait(_PERIOD):
            for message in _waiting(subscription):
                time_ns = time_to_ns(message.clock)
                if time_ns < self._last_ns:
                    self._back = message
                    self._jump.trigger()
                elif self._back is None:
                    self._set(message)
                self._last_ns = time_ns

    def _go_back(self) -> None:
        if self._back is not None:
            self._set(self._back)
            self._back = None


def _waiting(subscription: Subscription) -> Iterator[Any]:
    """Yield the messages that wait."""
    while True:
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        if taken is None:
            return
        yield taken[0]
