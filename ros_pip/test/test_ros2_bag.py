# SPDX-License-Identifier: Apache-2.0
"""Recording, describing and playing bags by the ros2 command."""

from contextlib import contextmanager
import os
import signal
import subprocess
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import (
    DurabilityPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)
from ros2cli.bag.choice import TopicChoice
from ros2cli.bag.definitions import message_definition, type_hash
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

DOMAIN = '46'
ENVIRONMENT = {**os.environ, 'ROS_DOMAIN_ID': DOMAIN}
EVERY_SENSOR = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@contextmanager
def spinning():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(DOMAIN))
    node = rclpy.create_node('bag_peer', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def until(condition, executor, seconds=90.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'it did not happen in time'
        executor.spin_once(timeout_sec=0.02)


def start(*words):
    return subprocess.Popen(
        ['ros2', 'bag', *words],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(*words):
    done = subprocess.run(
        ['ros2', 'bag', *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=90
    )
    return done.returncode, done.stdout + done.stderr


def record(bag, storage, signals):
    """Record one latched and twenty best-effort messages, and a type of no message."""
    with spinning() as (node, executor):
        latched = node.create_publisher(String, 'latched', LATCHED)
        latched.publish(String(data='hello'))
        joints = node.create_publisher(JointState, 'joint_states', qos_profile_sensor_data)
        node.create_publisher(TFMessage, 'tf', 10)
        process = start('record', '-o', str(bag), '-s', storage, '/latched', 'joint_states', '/tf')
        until(
            lambda: joints.get_subscription_count() and latched.get_subscription_count(), executor
        )
        for k in range(20):
            joints.publish(JointState(name=['a'], position=[float(k)]))
            executor.spin_once(timeout_sec=0.02)
        # It writes as it goes: a file that has grown has the messages before.
        deadline = time.monotonic() + 2.0
        until(lambda: time.monotonic() > deadline, executor)
        for number in signals:
            process.send_signal(number)
        told, _ = process.communicate(timeout=90.0)
    assert process.returncode == 0, told
    return told


@pytest.mark.parametrize(
    ('storage', 'signals'),
    [('mcap', [signal.SIGINT, signal.SIGINT]), ('sqlite3', [signal.SIGTERM])],
)
def test_recorded_bag_is_complete(tmp_path, storage, signals):
    bag = tmp_path / 'bag'
    told = record(bag, storage, signals)
    assert "Subscribed to topic '/joint_states'" in told
    assert told.rstrip().endswith('Recording stopped')
    with AnyReader([bag]) as reader:
        read = [
            (connection.topic, reader.deserialize(raw, connection.msgtype))
            for connection, _, raw in reader.messages()
        ]
    assert [m.data for topic, m in read if topic == '/latched'] == ['hello']
    positions = [m.position[0] for topic, m in read if topic == '/joint_states']
    assert positions == [float(k) for k in range(20)]
    code, told = run('info', str(bag))
    assert code == 0
    assert f'Storage id:        {storage}\n' in told
    assert 'Messages:          21\n' in told
    line = 'Topic: /joint_states | Type: sensor_msgs/msg/JointState | Count: 20 | '
    assert f'{line}Serialization Format: cdr\n' in told
    assert 'Topic: /tf | Type: tf2_msgs/msg/TFMessage | Count: 0 |' in told


def test_play_gives_back_what_was_recorded(tmp_path):
    bag = tmp_path / 'bag'
    record(bag, 'mcap', [signal.SIGINT])
    with spinning() as (node, executor):
        joints, latched, clock = [], [], []
        node.create_subscription(JointState, 'other', joints.append, EVERY_SENSOR)
        node.create_subscription(String, 'latched', latched.append, LATCHED)
        node.create_subscription(Clock, 'clock', clock.append, qos_profile_sensor_data)
        remap = '/joint_states:=/other'
        process = start('play', str(bag), '--clock', '--remap', remap, '--delay', '3.0')
        until(lambda: process.poll() is not None, executor)
        until(lambda: len(joints) >= 20 and latched, executor)
    assert process.returncode == 0
    assert [m.position[0] for m in joints] == [float(k) for k in range(20)]
    assert latched[0].data == 'hello'
    stamps = [m.clock.sec * 10**9 + m.clock.nanosec for m in clock]
    assert stamps == sorted(stamps)
    assert 0.3e9 < stamps[-1] - stamps[0] < 10e9


def test_looped_play_ends_by_a_signal(tmp_path):
    bag = tmp_path / 'bag'
    record(bag, 'mcap', [signal.SIGINT])
    with spinning() as (node, executor):
        joints = []
        node.create_subscription(JointState, 'joint_states', joints.append, 10)
        node.create_subscription(
            JointState, 'joint_states', joints.append, qos_profile_sensor_data
        )
        process = start('play', str(bag), '--loop', '--rate', '5.0')
        until(lambda: len(joints) > 25, executor)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=90.0)
    assert process.returncode == 0
    assert 'Traceback' not in told


def test_bad_input_is_named(tmp_path):
    code, told = run('record', '-o', str(tmp_path), '-a')
    assert (code, told) == (1, f"[ERROR] [ros2bag]: Output folder '{tmp_path}' already exists.\n")
    code, told = run('record', '-o', str(tmp_path / 'new'))
    assert code == 1
    assert 'Need to specify at least one option' in told
    code, told = run('info', str(tmp_path / 'absent'))
    assert code == 2
    assert f"Bag path '{tmp_path / 'absent'}' does not exist!" in told
    (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information: 3')
    for verb in ('info', 'play'):
        code, told = run(verb, str(tmp_path))
        assert code == 1
        assert told.startswith(f"[ERROR] [ros2bag]: Cannot read bag '{tmp_path}': ")
        assert 'Traceback' not in told


def test_definitions_are_whole():
    text = message_definition('tf2_msgs/msg/TFMessage')
    typestore = get_typestore(Stores.EMPTY)
    typestore.register(get_types_from_msg(text, 'tf2_msgs/msg/TFMessage'))
    assert 'geometry_msgs/msg/Quaternion' in typestore.types
    reference = get_typestore(Stores.ROS2_JAZZY)
    for kind in ('sensor_msgs/msg/CameraInfo', 'trajectory_msgs/msg/JointTrajectory'):
        assert type_hash(kind) == reference.hash_rihs01(kind)
    with pytest.raises(LookupError, match="Unknown package 'absent'"):
        message_definition('absent/msg/Name')


def test_choice_of_topics():
    choice = TopicChoice(topics=('/a',), regex='cam.*image', exclude_topics=('/cam/b/image',))
    taken = [t for t in ('/a', '/b', '/cam/a/image', '/cam/b/image') if choice.takes(t, 'x')]
    assert taken == ['/a', '/cam/a/image']
    assert TopicChoice(all_topics=True, exclude_types=('x',)).takes('/a', 'y')
    assert not TopicChoice(all_topics=True, exclude_types=('x',)).takes('/a', 'x')
    assert not TopicChoice(all_topics=True, exclude_regex='^/a').takes('/a/b', 'x')
