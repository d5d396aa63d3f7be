# SPDX-License-Identifier: Apache-2.0
"""Subscriptions to topics of any type, made as they appear, that hand on serialised messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
import importlib
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from tf2_msgs.msg import TFMessage

_SEARCH_PERIOD = 0.2
_FOREVER = QosTime(9223372036, 854775807)


def message_class(type_name: str) -> type[Any]:
    """Return the class of a message type such as `sensor_msgs/msg/Image`.

    :raises ImportError, AttributeError, ValueError: when there is no such type.
    """
    package, kind, name = type_name.split('/')
    return getattr(importlib.import_module(f'{package}.{kind}'), name)


@dataclass
class RecordedTopic:
    """A topic of a recording.

    :param type_name: message type; empty until a node publishes or subscribes to the topic.
    :param is_reliable: whether its publishers offer reliability; ``is_latched``: transient-local.
    :param last_ns: time of the last message by the steady clock [ns]; 0: none came.
    :param lost: number of lost messages.
    :param latched: message that a late subscriber would get.
    """

    name: str
    type_name: str = ''
    is_reliable: bool = False
    is_latched: bool = False
    subscription: Subscription | None = None
    last_ns: int = 0
    lost: int = 0
    latched: bytes = b''
    _frames: dict[str, TransformStamped] = field(default_factory=dict)

    def keep(self, data: bytes) -> None:
        """Keep the message for late subscribers: the last one, for tf the last of each frame."""
        if not self.is_latched:
            return
        if self.type_name == 'tf2_msgs/msg/TFMessage':
            try:
                message = deserialize_message(data, TFMessage)
            except RuntimeError:  # Bytes that are no message: no subscriber would get them.
                return
            self._frames.update({t.child_frame_id: t for t in message.transforms})
            data = serialize_message(TFMessage(transforms=list(self._frames.values())))
        self.latched = data

    def offered(self) -> list[Qos]:
        """Return the QoS that a player of the bag should offer."""
        durability = 'TRANSIENT_LOCAL' if self.is_latched else 'VOLATILE'
        return [
            Qos(
                QosHistory.KEEP_LAST,
                1 if self.is_latched else 10,
                QosReliability.RELIABLE,
                QosDurability[durability],
                _FOREVER,
                _FOREVER,
                QosLiveliness.AUTOMATIC,
                _FOREVER,
                avoid_ros_namespace_conventions=False,
            )
        ]


class RecordedTopics:
    """The topics of a recording.

    :param on_message: function that gets the topic and a serialised message.
    """

    def __init__(
        self,
        node: Node,
        names: Sequence[str],
        queue_size: int,
        on_message: Callable[[RecordedTopic, bytes], None],
    ) -> None:
        self._node = node
        self._queue_size = queue_size
        self._on_message = on_message
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.topics = {name: RecordedTopic(node.resolve_topic_name(name)) for name in names}
        node.create_timer(_SEARCH_PERIOD, self.search, clock=self._steady)
        self.search()

    def silence(self, name: str) -> float:
        """Return the time since the last message on a topic [s]; infinite before the first."""
        last_ns = self.topics[name].last_ns
        return (self._steady.now().nanoseconds - last_ns) / 1e9 if last_ns else float('inf')

    def why_silent(self, name: str) -> str:
        """Return the reason why no message comes on a topic."""
        topic = self.topics[name].name
        silence = self.silence(name)
        if self._node.count_publishers(topic) == 0:
            return f'{topic} has no publisher'
        if silence == float('inf'):
            return f'nothing came on {topic} yet'
        return f'nothing came on {topic} for {silence:.1f} s'

    def search(self) -> None:
        """Subscribe to new topics, and again to topics whose offered QoS has changed."""
        for topic in self.topics.values():
            infos = self._node.get_publishers_info_by_topic(topic.name)
            if not infos and not topic.type_name:
                # A controller's subscription gives the type before the first command comes.
                infos = self._node.get_subscriptions_info_by_topic(topic.name)
            if infos:
                self._follow(topic, infos)

    def _follow(self, topic: RecordedTopic, infos: Sequence[TopicEndpointInfo]) -> None:
        qos = [info.qos_profile for info in infos]
        is_reliable = all(q.reliability == ReliabilityPolicy.RELIABLE for q in qos)
        is_latched = all(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in qos)
        found = infos[0].topic_type, is_reliable, is_latched
        if found == (topic.type_name, topic.is_reliable, topic.is_latched):
            return
        try:
            kind = message_class(infos[0].topic_type)
        except (ImportError, AttributeError, ValueError) as error:
            self._node.get_logger().error(
                f'{topic.name}: cannot record {infos[0].topic_type}: {error}',
                throttle_duration_sec=10.0,
            )
            return
        if topic.subscription is not None:
            self._node.destroy_subscription(topic.subscription)
        topic.type_name, topic.is_reliable, topic.is_latched = found
        topic.subscription = self._subscribe(topic, kind)

    def _subscribe(self, topic: RecordedTopic, kind: type[Any]) -> Subscription:
        reliability, durability = ReliabilityPolicy, DurabilityPolicy
        return self._node.create_subscription(
            kind,
            topic.name,
            partial(self._on_first, topic),
            QoSProfile(
                depth=self._queue_size,
                reliability=reliability.RELIABLE if topic.is_reliable else reliability.BEST_EFFORT,
                durability=durability.TRANSIENT_LOCAL if topic.is_latched else durability.VOLATILE,
            ),
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(
                message_lost=lambda event: _count_lost(topic, event.total_count_change)
            ),
        )

    def drain(self) -> None:
        """Take all messages that have arrived."""
        for topic in self.topics.values():
            self._take_waiting(topic)

    def _on_first(self, topic: RecordedTopic, data: bytes) -> None:
        """Take a message and all behind it at once: each turn of the executor is slow."""
        self._receive(topic, data)
        self._take_waiting(topic)

    def _take_waiting(self, topic: RecordedTopic) -> None:
        for _ in range(self._queue_size):
            subscription = topic.subscription
            if subscription is None:
                return
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is None:
                return
            self._receive(topic, taken[0])

    def _receive(self, topic: RecordedTopic, data: bytes) -> None:
        topic.last_ns = self._steady.now().nanoseconds
        topic.keep(data)
        self._on_message(topic, data)


def _count_lost(topic: RecordedTopic, number: int) -> None:
    topic.lost += number
