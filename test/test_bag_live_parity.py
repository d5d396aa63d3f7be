# SPDX-License-Identifier: Apache-2.0
"""A bag played live through the aggregator gives the observations of the data set, bit for bit."""

from pathlib import Path
import sys
import time

from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.nodes.observation_aggregator.node import ObservationAggregatorNode
from dp_ros.nodes.observation_aggregator.parameters import PARAMETERS, window_spec
from dp_ros.ros.conversions import ns_to_time, time_to_ns
from dp_ros_msgs.msg import Observation
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

sys.path.append(str(Path(__file__).parents[1] / 'dp_ros' / 'test'))
import bag_maker  # noqa: E402

MS = bag_maker.MS
VALUES = PARAMETERS.defaults() | {
    'joint_names': list(bag_maker.JOINTS),
    'controller_name': 'arm',
    'camera_names': ['front', 'wrist'],
    'image_sizes': [16, 24, 20, 20],
    'camera_latencies': [0.0, 0.012],
    'joint_latency': 0.003,
    'dt': 0.07,
    'n_obs_steps': 3,
}


def rough_recording():
    """Two cameras at 30 Hz and joints at 100 Hz with jitter, delays, losses and bad samples."""
    rng = np.random.default_rng(7)
    rows = []
    for step in range(150):
        stamp_ns = bag_maker.START + step * 10 * MS + int(rng.integers(0, 4 * MS))
        positions = bag_maker.where(step / 100) + rng.normal(0, 1e-3, 2)
        if step == 77:
            positions[0] = np.nan
        delay_ns = int(rng.integers(0, 30 * MS))
        rows.append((bag_maker.JOINT_STATE, stamp_ns + delay_ns, (stamp_ns, positions)))
    for camera, (size, encoding) in {
        'front': ((16, 24, 3), 'rgb8'),
        'wrist': ((50, 50, 4), 'bgra8'),
    }.items():
        for step in np.flatnonzero(rng.random(45) > 0.15):
            stamp_ns = bag_maker.START + int(step) * 33 * MS + int(rng.integers(0, 12 * MS))
            delay_ns = int(rng.integers(0, 40 * MS))
            pixels = rng.integers(0, 256, size, dtype=np.uint8)
            content = (0 if step == 20 else stamp_ns, pixels, encoding)
            rows.append((f'/camera/{camera}/image_raw', stamp_ns + delay_ns, content))
    for step, point in ((30, [1.0, 0.8]), (90, [0.3, 0.1])):
        stamp_ns = bag_maker.START + step * 10 * MS
        rows.append(
            (bag_maker.TRAJECTORY, stamp_ns, (stamp_ns + 400 * MS, [0.0, 0.2], [point] * 2))
        )
    rows.sort(key=lambda row: row[1])
    return [(topic, t, _message(topic, content)) for topic, t, content in rows]


def _message(topic, content):
    if topic == bag_maker.TRAJECTORY:
        return bag_maker.trajectory(*content)
    if topic == bag_maker.JOINT_STATE:
        return bag_maker.joint_state(*content)
    return bag_maker.image(*content)


KINDS = {bag_maker.JOINT_STATE: JointState, bag_maker.TRAJECTORY: JointTrajectory}


class Player:
    """Plays a bag, one message after the other, each at its time on /clock."""

    def __init__(self, context):
        overrides = [Parameter('use_sim_time', value=True)]
        overrides += [Parameter(name, value=value) for name, value in VALUES.items() if value]
        self.aggregator = ObservationAggregatorNode(context=context, parameter_overrides=overrides)
        self.node = Node('player', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.aggregator)
        self.executor.add_node(self.node)
        self.clock = self.node.create_publisher(Clock, '/clock', 10)
        self.publishers = {
            '/joint_states': self.node.create_publisher(JointState, 'joint_states', 10),
            bag_maker.TRAJECTORY: self.node.create_publisher(
                JointTrajectory, bag_maker.TRAJECTORY, 10
            ),
            **{
                f'/camera/{name}/image_raw': self.node.create_publisher(
                    Image, f'camera/{name}/image_raw', 10
                )
                for name in VALUES['camera_names']
            },
        }
        self.observations = []
        self.node.create_subscription(
            Observation, 'observation', self.observations.append, rclpy.qos.QoSProfile(depth=50)
        )

    def until(self, condition):
        end = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < end, 'a message did not arrive'
            self.executor.spin_once(timeout_sec=0.01)

    def received(self):
        live = self.aggregator._live
        return sum(count.received for count in (*live.counts.values(), live.commands))

    def play(self, bag):
        everyone = [self.clock, *self.publishers.values()]
        self.until(lambda: all(p.get_subscription_count() for p in everyone))
        self.until(lambda: self.node.count_publishers('observation') == 1)
        with AnyReader([bag]) as reader:
            for index, (connection, time_ns, raw) in enumerate(reader.messages()):
                self.advance(time_ns)
                message = deserialize_message(raw, KINDS.get(connection.topic, Image))
                self.publishers[connection.topic].publish(message)
                self.until(lambda index=index: self.received() == index + 1)

    def advance(self, time_ns):
        self.clock.publish(Clock(clock=ns_to_time(time_ns)))
        self.until(lambda: self.aggregator.get_clock().now().nanoseconds == time_ns)


@pytest.fixture
def player(ros_context):
    return Player(ros_context)


def test_a_bag_played_live_gives_the_windows_of_the_data_set(player, tmp_path):
    bag = bag_maker.write(tmp_path / 'bag', rough_recording())
    recording = read_bag(bag, window_spec(VALUES), BagTopics(trajectories=bag_maker.TRAJECTORY))
    expected = []
    for stamp_ns in recording.stamps_ns:
        try:
            expected.append(recording.builder.build(stamp_ns))
        except ValueError as refusal:
            recording.refuse(refusal)
    player.play(bag)
    player.until(lambda: len(player.observations) >= len(expected))

    assert len(expected) > 10 and recording.refused
    assert len(player.observations) == len(expected)
    for observation, window in zip(player.observations, expected, strict=True):
        assert time_to_ns(observation.header.stamp) == window.stamp_ns
        positions = np.reshape(observation.joint_positions, (3, 2))
        assert positions.tobytes() == window.joint_positions.tobytes()
        commanded = np.reshape(observation.commanded_positions, (3, 2))
        # Live, a command counts from when it came; of a bag this is known by the joints' delays.
        np.testing.assert_allclose(commanded, window.commanded_positions, rtol=0, atol=0.05)
        check_images(observation, window)
    refused = sum(recording.refused.values())
    dropped = sum(count.dropped for count in player.aggregator._live.counts.values())
    assert refused == dropped + len(recording.stamps_ns) - len(expected)


def check_images(observation, window):
    images = iter(observation.images)
    for step in range(3):
        for camera in ('front', 'wrist'):
            image = next(images)
            assert time_to_ns(image.header.stamp) == window.image_stamps_ns[camera][step]
            expected = window.images[camera][step]
            assert (image.height, image.width, image.encoding) == (*expected.shape[:2], 'rgb8')
            assert image.data.tobytes() == expected.tobytes()
