# SPDX-License-Identifier: Apache-2.0
"""Whether anybody besides those who should can move the arm, as the graph of nodes shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dp_ros.control.executor.interlocks import PUBLISHERS, STOP, stop_after
from dp_ros.control.executor.sources import (
    foreign_command,
    others,
    second_commander,
    second_source,
)
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

_PERIOD: Final = 0.5  # A look costs 0.1 ms where all is well.


class PublisherWatch:
    """Holds the interlock `publishers` while more than one may command the arm.

    It goes by itself when the other is gone; an arm that was free to move before is left with
    `stop`, for a person to take back. A node that ends says so; one that was killed stays in the
    graph until its lease is over, for 20 s with Fast DDS.

    :param commands: the controller's topic, on which this node alone may publish; ``chunks``:
        topics of which each has one publisher at most; all with their namespace.
    :param inhibit: sets an interlock to a reason; ``permit`` takes it back.
    """

    def __init__(
        self,
        node: Node,
        commands: str,
        chunks: Sequence[str],
        inhibit: Callable[[str, str], None],
        permit: Callable[[str], None],
    ) -> None:
        self._node = node
        self._commands, self._chunks = commands, tuple(chunks)
        self._inhibit, self._permit = inhibit, permit
        self._found: str | None = None
        self._was_free = False
        node.create_timer(_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def foreign(self) -> str:
        """Say who commanded the arm, after a command that was not this node's."""
        return foreign_command(self._commands, self._strangers())

    def _look(self) -> None:
        before, self._found = self._found, self._reason()
        if self._found is None:
            if before is not None:
                self._give_back(before)
            self._was_free = True
        elif self._found != before:
            self._node.get_logger().error(self._found)
            self._inhibit(PUBLISHERS, self._found)

    def _give_back(self, reason: str) -> None:
        if self._was_free:
            self._inhibit(STOP, stop_after(reason))
        self._permit(PUBLISHERS)

    def _reason(self) -> str | None:
        reasons = [second_commander(self._commands, self._strangers())]
        for topic in self._chunks:
            if self._node.count_publishers(topic) > 1:
                reasons.append(second_source(topic, self._publishers(topic)))
        return '; '.join(reason for reason in reasons if reason) or None

    def _strangers(self) -> list[str]:
        if self._node.count_publishers(self._commands) < 2:
            return []
        return others(self._publishers(self._commands), self._node.get_fully_qualified_name())

    def _publishers(self, topic: str) -> list[str]:
        found = self._node.get_publishers_info_by_topic(topic)
        return [f'{each.node_namespace.rstrip("/")}/{each.node_name}' for each in found]
