# SPDX-License-Identifier: Apache-2.0
"""Writes chosen topics to a bag as they come, unparsed."""

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from .. import qos
from ..interfaces import get_interface
from .choice import TopicChoice
from .definitions import message_definition, type_hash
from .qos_text import to_bag

#: Python takes messages one by one: a burst has to fit into the middleware's queue.
QUEUE_DEPTH = 1000


class Recorder:
    """Subscribes to topics as they appear, and writes what comes.

    :param include_hidden: take topics with a name part that starts with `_`.
    :param include_unpublished: subscribe before there is a publisher.

    Attribute ``written`` counts the messages.
    """

    def __init__(
        self,
        node: Node,
        writer: Writer,
        choice: TopicChoice,
        include_hidden: bool = False,
        include_unpublished: bool = False,
    ) -> None:
        self.written = 0
        self._node = node
        self._writer = writer
        self._choice = choice
        self._include_hidden = include_hidden
        self._include_unpublished = include_unpublished
        self._use_sim_time = node.get_parameter('use_sim_time').value
        self._known: set[str] = set()
        self._complete = False

    def discover(self) -> None:
        """Subscribe to chosen topics that are new in the graph."""
        if self._complete:
            return
        for topic, types in self._node.get_topic_names_and_types():
            if topic not in self._known and len(types) == 1 and self._takes(topic, types[0]):
                self._known.add(topic)
                self._subscribe(topic, types[0])
        if self._choice.topics and self._known.issuperset(self._choice.topics):
            self._complete = not (self._choice.all_topics or self._choice.regex)
        if self._complete:
            self._node.get_logger().info(
                'All requested topics are subscribed. Stopping discovery...'
            )

    def _takes(self, topic: str, kind: str) -> bool:
        if topic_or_service_is_hidden(topic) and not self._include_hidden:
            return False
        if not self._include_unpublished and self._node.count_publishers(topic) == 0:
            return False
        return self._choice.takes(topic, kind)

    def _subscribe(self, topic: str, kind: str) -> None:
        logger = self._node.get_logger()
        try:
            cls = get_interface(kind, 'msg')
            definition, digest = message_definition(kind), type_hash(kind)
        except (RuntimeError, LookupError) as error:
            logger.warning(f"Topic '{topic}' has unknown type '{kind}'. Not recorded: {error}")
            return
        offers = self._node.get_publishers_info_by_topic(topic)
        connection = self._writer.add_connection(
            topic,
            kind,
            msgdef=definition,
            rihs01=digest,
            offered_qos_profiles=[to_bag(offer.qos_profile) for offer in offers],
        )
        profile = QoSProfile(depth=QUEUE_DEPTH, reliability=QoSReliabilityPolicy.RELIABLE)
        for warning in qos.adapt(profile, self._node, topic):
            logger.warning(f'{topic}: {warning}')
        self._node.create_subscription(cls, topic, self._writes(connection), profile, raw=True)
        logger.info(f"Subscribed to topic '{topic}'")

    def _writes(self, connection: Connection) -> Callable[[bytes, dict[str, Any]], None]:
        def write(raw: bytes, info: dict[str, Any]) -> None:
            stamp_ns = info['received_timestamp']
            if self._use_sim_time:
                stamp_ns = self._node.get_clock().now().nanoseconds
            # Simulated time is zero until the first message on /clock.
            if stamp_ns > 0:
                self._writer.write(connection, stamp_ns, raw)
                self.written += 1

        return write
