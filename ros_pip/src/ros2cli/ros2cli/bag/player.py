# SPDX-License-Identifier: Apache-2.0
"""Publishes the messages of a bag at the times they were recorded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import time

from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from rosgraph_msgs.msg import Clock

from ..interfaces import get_interface
from .choice import TopicChoice
from .qos_text import DEFAULT_DEPTH, NS, to_publisher
from .stop import StopRequest

#: Longest sleep, so that a signal is seen soon [s].
LONGEST_SLEEP = 0.05
#: Time for the last messages to arrive [s].
ACKNOWLEDGE_TIME = 1.0


@dataclass(frozen=True)
class PlayOptions:
    """How a bag is played.

    :param rate: bag time per wall time; ``clock_hz``: rate of /clock, zero: none [Hz].
    :param start_offset: where in the bag to start; ``duration``: how far to play [s].
    :param remap: other names for topics.
    """

    rate: float = 1.0
    clock_hz: float = 0.0
    start_offset: float = 0.0
    duration: float = float('inf')
    remap: Mapping[str, str] | None = None


class Player:
    """Plays one open bag, once per call of `play`."""

    def __init__(
        self,
        node: Node,
        reader: Reader,
        choice: TopicChoice,
        options: PlayOptions,
        stop: StopRequest,
    ) -> None:
        self._node = node
        self._reader = reader
        self._options = options
        self._stop = stop
        self._publishers: dict[str, Publisher] = {}
        self._connections = [c for c in reader.connections if self._takes(c, choice)]
        for connection in self._connections:
            self._advertise(connection)
        self._clock = self._create_clock()
        self._next_tick = 0.0

    def play(self) -> None:
        """Publish until the end or a stop request."""
        options = self._options
        start_ns = self._reader.start_time + int(options.start_offset * NS)
        started = time.monotonic()
        self._next_tick = started
        for connection, stamp_ns, raw in self._messages(start_ns):
            due = started + (stamp_ns - start_ns) / (NS * options.rate)
            self._wait_until(due, started, start_ns)
            if self._stop.requested:
                return
            self._publishers[connection.topic].publish(bytes(raw))

    def wait_for_acknowledgements(self) -> None:
        """Give reliable subscribers time to get the last messages."""
        deadline = time.monotonic() + ACKNOWLEDGE_TIME
        for publisher in self._publishers.values():
            if publisher.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE:
                left = max(0.0, deadline - time.monotonic())
                publisher.wait_for_all_acked(Duration(seconds=left))

    def _takes(self, connection: Connection, choice: TopicChoice) -> bool:
        if self._options.clock_hz and connection.topic == '/clock':
            return False
        return choice.takes(connection.topic, connection.msgtype)

    def _advertise(self, connection: Connection) -> None:
        topic = connection.topic
        if topic in self._publishers:
            return
        try:
            cls = get_interface(connection.msgtype, 'msg')
        except RuntimeError as error:
            self._node.get_logger().warning(f"Ignoring a topic '{topic}', reason: {error}.")
            return
        profile = to_publisher(connection.ext.offered_qos_profiles)
        if profile is None:
            self._node.get_logger().warning(
                f'Not all original publishers on topic {topic} offered the same QoS profiles. '
                'Falling back to the default publisher offer.'
            )
        name = (self._options.remap or {}).get(topic, topic)
        self._publishers[topic] = self._node.create_publisher(
            cls, name, profile or QoSProfile(depth=DEFAULT_DEPTH)
        )

    def _create_clock(self) -> Publisher | None:
        if not self._options.clock_hz:
            return None
        profile = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        return self._node.create_publisher(Clock, '/clock', profile)

    def _messages(self, start_ns: int) -> Iterator[tuple[Connection, int, bytes]]:
        playable: Sequence[Connection] = [
            c for c in self._connections if c.topic in self._publishers
        ]
        if not playable:
            return
        duration = self._options.duration
        end_ns = None if duration == float('inf') else start_ns + int(duration * NS)
        yield from self._reader.messages(playable, start=start_ns, stop=end_ns)

    def _wait_until(self, due: float, started: float, start_ns: int) -> None:
        """Sleep until a monotonic time, with /clock going on [s]."""
        while not self._stop.requested:
            now = time.monotonic()
            if self._clock is not None and now >= self._next_tick:
                bag_ns = start_ns + int((now - started) * self._options.rate * NS)
                seconds, nanoseconds = divmod(bag_ns, NS)
                self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))
                self._next_tick += 1.0 / self._options.clock_hz
            if now >= due:
                return
            wake = due if self._clock is None else min(due, self._next_tick)
            time.sleep(max(0.0, min(wake - now, LONGEST_SLEEP)))
