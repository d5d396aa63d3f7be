# SPDX-License-Identifier: Apache-2.0
"""A polled topic gives the newest message when it is asked, and wakes no executor."""

import time

from dp_ros.ros.polled_topic import PolledTopic
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Int64


@pytest.fixture
def node(ros_context):
    node = Node('reader', context=ros_context)
    yield node
    node.destroy_node()


def arrives(topic, value):
    end = time.monotonic() + 30
    while (message := topic.newest()) is None or message.data != value:
        assert time.monotonic() < end


def test_only_the_newest_message_is_given_and_only_once(node):
    topic, publisher = PolledTopic(node, Int64, 'fast'), node.create_publisher(Int64, 'fast', 10)
    assert topic.newest() is None
    for value in range(20):
        publisher.publish(Int64(data=value))
    arrives(topic, 19)
    assert topic.newest() is None


def test_an_executor_sleeps_on_while_messages_come(node):
    topic, publisher = PolledTopic(node, Int64, 'fast'), node.create_publisher(Int64, 'fast', 10)
    fired = []
    node.create_timer(0.5, lambda: fired.append(True))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    publisher.publish(Int64(data=1))
    turns = 0
    while not fired:
        executor.spin_once(timeout_sec=10.0)
        publisher.publish(Int64(data=turns))
        turns += 1
    assert turns < 5
    arrives(topic, turns - 1)
