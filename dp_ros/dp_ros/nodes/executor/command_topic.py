# SPDX-License-Identifier: Apache-2.0
"""The command topic of the arm's controller: sends on it, and hears other senders."""

from __future__ import annotations

from collections import deque
import math
import struct
from typing import Final

from dp_ros.nodes.executor.deliveries import Deliveries, Delivery
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import time_to_ns
from dp_ros.ros.polled_topic import PolledTopic
from dp_ros.ros.qos import NEWEST, reliable
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from trajectory_msgs.msg import JointTrajectory

_HEARD: Final = 16
_STAMP: Final = ('>iI', '<iI')  # Indexed by the second byte of a message, its byte order.


class CommandTopic:
    """Publishes trajectories, and hears those that other nodes publish.

    rclpy does not tell who sent a message. The node's own are known by their stamp, the time [ns]
    at which they begin. Each stamp counts once: a copy by another node is a foreign command.
    """

    def __init__(self, node: Node, topic: str) -> None:
        self._publisher = node.create_publisher(JointTrajectory, topic, NEWEST)
        self._heard = PolledTopic(node, JointTrajectory, topic, reliable(_HEARD), raw=True)
        self._system = Clock(clock_type=ClockType.SYSTEM_TIME)
        self._own: deque[int] = deque(maxlen=4 * _HEARD)
        self._deliveries = Deliveries(self._publisher)

    @property
    def topic_name(self) -> str:
        """The topic's full name."""
        return str(self._publisher.topic_name)

    def get_subscription_count(self) -> int:
        """Return the number of other listeners, one of which is the controller."""
        return max(0, int(self._publisher.get_subscription_count()) - 1)

    def publish(self, message: JointTrajectory, allowed: float = math.inf) -> None:
        """Publish a trajectory for the arm; its delivery may take ``allowed`` [s]."""
        self._own.append(time_to_ns(message.header.stamp))
        self._publisher.publish(message)
        self._deliveries.sent(allowed)

    def deliveries(self) -> list[Delivery]:
        """Return how long messages took to all listeners, of those since the last call."""
        return self._deliveries.taken()

    def close(self) -> None:
        """End what it does in the background, before the node is destroyed."""
        self._deliveries.close()

    def foreign(self) -> list[tuple[JointTrajectory | None, int]]:
        """Return the messages of other nodes since the last call, each with its age [ns].

        A message that cannot be read is None; the controller cannot read it either.
        """
        found = []
        while (taken := self._heard.take()) is not None:
            data, came_ns = taken
            if not self._is_own(data):
                age_ns = max(0, int(self._system.now().nanoseconds) - came_ns)
                found.append((_read(data), age_ns))
        return found

    def _is_own(self, data: bytes) -> bool:
        try:
            self._own.remove(_stamp_ns(data))
        except (IndexError, struct.error, ValueError):
            return False
        return True


def _stamp_ns(data: bytes) -> int:
    """Return the stamp of a message, which follows the four bytes that name the encoding."""
    sec, nanosec = struct.unpack_from(_STAMP[data[1] & 1], data, 4)
    return int(sec * NS + nanosec)


def _read(data: bytes) -> JointTrajectory | None:
    try:
        return deserialize_message(data, JointTrajectory)
    except RuntimeError:
        return None
