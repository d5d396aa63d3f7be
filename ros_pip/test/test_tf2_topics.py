# SPDX-License-Identifier: Apache-2.0
"""Listener and broadcasters, over their topics."""

from contextlib import contextmanager
import time

from geometry_msgs.msg import TransformStamped
import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.time import Time
from tf2_msgs.srv import FrameGraph
from tf2_ros import (
    Buffer,
    StaticTransformBroadcaster,
    TransformBroadcaster,
    TransformListener,
)
from tf2_ros.buffer import Buffer as SameBuffer


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=47)
    yield context
    context.try_shutdown()


@contextmanager
def spinning(context, *names):
    executor = SingleThreadedExecutor(context=context)
    nodes = [rclpy.create_node(name, context=context) for name in names]
    for node in nodes:
        executor.add_node(node)
    try:
        yield executor, *nodes
    finally:
        executor.shutdown()
        for node in nodes:
            node.destroy_node()


def until(condition, executor, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'it did not happen in time'
        executor.spin_once(timeout_sec=0.05)


def transform(parent, child, x=0.0):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp.sec = 10
    message.transform.translation.x = x
    return message


def x_of(buffer, target, source):
    return buffer.lookup_transform(target, source, Time()).transform.translation.x


def test_one_or_several_transforms_arrive(context):
    with spinning(context, 'sender', 'receiver') as (executor, sender, receiver):
        buffer = Buffer(node=receiver)
        listener = TransformListener(buffer, receiver)
        broadcaster = TransformBroadcaster(sender)
        until(lambda: broadcaster.pub_tf.get_subscription_count(), executor)
        broadcaster.sendTransform(transform('a', 'b', 1.0))
        broadcaster.sendTransform([transform('b', 'c', 2.0), transform('c', 'd', 3.0)])
        until(lambda: buffer.can_transform('a', 'd', Time()), executor)
        assert x_of(buffer, 'a', 'd') == 6.0
        listener.unregister()


def test_a_late_listener_gets_every_static_transform_and_the_first_of_each(context):
    with spinning(context, 'sender', 'receiver') as (executor, sender, receiver):
        broadcaster = StaticTransformBroadcaster(sender)
        broadcaster.sendTransform(transform('a', 'b', 1.0))
        broadcaster.sendTransform([transform('b', 'c', 2.0)])
        broadcaster.sendTransform(transform('a', 'b', 5.0))
        buffer = Buffer(node=receiver)
        listener = TransformListener(buffer, receiver)
        until(lambda: buffer.can_transform('a', 'c', Time()), executor)
        assert x_of(buffer, 'a', 'c') == 3.0
        listener.unregister()


def test_a_listener_with_its_own_thread_lets_the_caller_wait(context):
    with spinning(context, 'sender') as (_, sender):
        receiver = rclpy.create_node('receiver', context=context)
        buffer = Buffer(node=receiver)
        listener = TransformListener(buffer, receiver, spin_thread=True)
        StaticTransformBroadcaster(sender).sendTransform(transform('a', 'b', 4.0))
        found = buffer.lookup_transform('a', 'b', Time(), timeout=Duration(seconds=60))
        assert found.transform.translation.x == 4.0
        context.try_shutdown()
        listener.dedicated_listener_thread.join(timeout=60)
        assert not listener.dedicated_listener_thread.is_alive()


def test_the_frames_service(context):
    with spinning(context, 'asker', 'receiver') as (executor, asker, receiver):
        buffer = Buffer(node=receiver)
        buffer.set_transform(transform('a', 'b'), 'somebody')
        client = asker.create_client(FrameGraph, 'tf2_frames')
        until(client.service_is_ready, executor)
        answer = client.call_async(FrameGraph.Request())
        until(answer.done, executor)
    assert answer.result().frame_yaml == (
        "b: \n  parent: 'a'\n  broadcaster: 'somebody'\n  rate: 10000.000\n"
        '  most_recent_transform: 10.000000\n  oldest_transform: 10.000000\n'
        '  buffer_length: 0.000\n'
    )


def test_modules_have_the_names_of_upstream():
    assert SameBuffer is Buffer
