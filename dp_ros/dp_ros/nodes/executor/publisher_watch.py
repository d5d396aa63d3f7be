# SPDX-License-Identifier: Apache-2.0
"""Watches the graph for other nodes that publish commands or chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dp_ros.control.executor.interlocks import PUBLISHERS, stop_after
from dp_ros.control.executor.sources import (
    foreign_command,
    others,
    second_commander,
    second_source,
)
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

_PERIOD: Final = 0.5  # [s]; a check costs 0.1 ms where all is well.


class PublisherWatch:
    """Holds the interlock `publishers` while more than one may command the arm.

    It is cleared when the other node is gone. If the arm was free to move before, the interlock
    `stop` stays, for a person to clear. A node that ends leaves the graph at once; one that was
    killed stays in it until its lease is over, for 20 s with Fast DDS.

    :param commands: full name of the controller's topic; only this node may publish on it.
    :param chunks: full names of topics with at most one publisher each.
    :param inhibit: function that sets an interlock with a reason; ``permit`` clears it.
    :param hold: function that leaves the interlock `stop` with a reason, unless it is set already.
    """

    def __init__(
        self,
        node: Node,
        commands: str,
        chunks: Sequence[str],
        inhibit: Callable[[str, str], None],
        permit: Callable[[str], None],
        hold: Callable[[str], None],
    ) -> None:
        self._node = node
        self._commands, self._chunks = commands, tuple(chunks)
        self._inhibit, self._permit, self._hold = inhibit, permit, hold
        self._found: str | None = None
        self._was_free = False
        node.create_timer(_PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def foreign(self) -> str:
        """Name the node that commanded the arm, after a command that was not this node's."""
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
            self._hold(stop_after(reason))
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
