# SPDX-License-Identifier: Apache-2.0
"""A bag played live through the aggregator gives the observations of the data set, bit for bit.

Both sides know the task from one checkpoint: training reads it there, and the aggregator is told
it by the policy node.
"""

from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
import sys
import time

from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.windows.window import window_spec
from dp_ros.nodes.observation_aggregator.node import ObservationAggregatorNode
from dp_ros.nodes.policy.messages import observation_from_msg
from dp_ros.nodes.policy.node import PolicyNode
from dp_ros.ros.conversions import ns_to_time, time_to_ns
from dp_ros.task.task import Camera, Task, Topics, task_to_dict
from dp_ros.task.task_file import read_task, task_text
from dp_ros_msgs.msg import Observation
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from conftest import DOMAINS, domain_is_free

sys.path.append(str(Path(__file__).parents[1] / 'dp_ros' / 'test'))
import bag_maker  # noqa: E402
import tiny_policy  # noqa: E402

MS = bag_maker.MS
FINGER = 'fr3_finger_joint1'
FRONT = Camera((32, 48), 'cell/front', crop=(4, 3, 64, 96), tolerance=0.024, latency=0.004)
WRIST = Camera((36, 36), 'cell/wrist', crop=(4, 8, 72, 72), tolerance=0.028, latency=0.012)
TOPICS = Topics('arm/joint_states', 'arm/joint_trajectory', 'hand/target')
TASK = Task(
    joints=bag_maker.JOINTS,
    name='rough',
    gripper_joints=(FINGER,),
    observations=('joint_positions', 'commanded_positions'),
    cameras={'front': FRONT, 'wrist': WRIST},
    dt=0.07,
    n_obs_steps=3,
    horizon=8,
    n_action_steps=4,
    camera_slop=0.015,
    joint_latency=0.003,
    max_joint_gap=0.025,
    topics=TOPICS,
)
KINDS = {kind.__name__: kind for kind in (JointState, JointTrajectory, Image)}


def rough_recording():
    """Cameras at 30 Hz and joints at 100 Hz with jitter, delays, losses and bad samples.

    Under other/ there is another cell, whose topics nobody named.
    """
    rng = np.random.default_rng(7)
    rows = []
    for prefix in ('', 'other/'):
        rows += [(f'/{prefix}{topic}', *row) for topic, *row in _cell(rng)]
    return sorted(rows, key=lambda row: row[1])


def _cell(rng):
    return [*_joint_states(rng), *_images(rng), *_commands(rng)]


def _joint_states(rng):
    names = (FINGER, *bag_maker.JOINTS)
    for step in range(260):
        stamp_ns = bag_maker.START + step * 10 * MS + int(rng.integers(0, 4 * MS))
        positions = np.append(rng.random() / 25, bag_maker.where(step / 100))
        positions += rng.normal(0, 1e-3, 3)
        if step == 77:
            positions[0] = np.nan
        delay_ns = int(rng.integers(0, 30 * MS))
        if step < 3 or rng.random() > 0.1:
            message = bag_maker.joint_state(stamp_ns, positions, names)
            yield TOPICS.joint_states, stamp_ns + delay_ns, message


def _images(rng):
    for topic, size, encoding in (
        (FRONT.topic, (70, 102, 3), 'rgb8'),
        (WRIST.topic, (80, 84, 4), 'bgra8'),
    ):
        for step in np.flatnonzero(rng.random(78) > 0.12):
            stamp_ns = bag_maker.START + int(step) * 33 * MS + int(rng.integers(0, 12 * MS))
            delay_ns = int(rng.integers(0, 40 * MS))
            pixels = rng.integers(0, 256, size, dtype=np.uint8)
            message = bag_maker.image(0 if step == 20 else stamp_ns, pixels, encoding)
            yield topic, stamp_ns + delay_ns, message


def _commands(rng):
    """Some that start when they come, some that say when, and one that no controller takes."""
    for topic, names, commands in (
        (TOPICS.commands, bag_maker.JOINTS, ((20, 0), (45, 40), (60, 0), (90, 0))),
        (TOPICS.gripper, (FINGER,), ((25, 0), (80, 30))),
    ):
        for step, later in commands:
            now_ns = bag_maker.START + step * 10 * MS + int(rng.integers(0, 9 * MS))
            points = rng.random((2, len(names)))
            times = [0.4, 0.2] if step == 60 else [0.15, 0.4]
            start_ns = now_ns + later * MS if later else 0
            yield topic, now_ns, bag_maker.trajectory(start_ns, times, points, names)


class Player:
    """Plays a bag, one message after the other, each at its time on /clock."""

    def __init__(self, context, checkpoint, stack):
        simulated = [Parameter('use_sim_time', value=True)]
        given = {'checkpoint': str(checkpoint), 'autostart': False, 'engine': 'torch'}
        self.policy = PolicyNode(
            context=context,
            parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
        )
        self.aggregator = ObservationAggregatorNode(context=context, parameter_overrides=simulated)
        self.node = Node('player', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        for node in (self.policy, self.aggregator, self.node):
            self.executor.add_node(node)
            stack.callback(node.destroy_node)
        self.clock = self.node.create_publisher(Clock, '/clock', 10)
        self.observations = []
        self.node.create_subscription(
            Observation, 'observation', self.observations.append, rclpy.qos.QoSProfile(depth=50)
        )
        assert self.policy.trigger_configure() == TransitionCallbackReturn.SUCCESS
        self.until(lambda: self.aggregator._streams is not None)

    @property
    def live(self):
        return self.aggregator._streams.live

    def until(self, condition):
        end = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < end, 'a message did not arrive'
            self.executor.spin_once(timeout_sec=0.01)

    def received(self):
        return sum(count.received for count in (*self.live.counts.values(), self.live.commands))

    def play(self, bag):
        self.until(self.clock.get_subscription_count)
        self.until(lambda: self.node.count_publishers('observation') == 1)
        with AnyReader([bag]) as reader:
            mine = [c for c in reader.connections if not c.topic.startswith('/other/')]
            publishers = {
                c.topic: self.node.create_publisher(KINDS[c.msgtype.split('/')[-1]], c.topic, 10)
                for c in mine
            }
            self.until(lambda: all(p.get_subscription_count() for p in publishers.values()))
            for index, (connection, time_ns, raw) in enumerate(reader.messages(mine)):
                self.advance(time_ns)
                publisher = publishers[connection.topic]
                publisher.publish(deserialize_message(raw, publisher.msg_type))
                self.until(lambda index=index: self.received() == index + 1)

    def advance(self, time_ns):
        self.clock.publish(Clock(clock=ns_to_time(time_ns)))
        self.until(lambda: self.aggregator.get_clock().now().nanoseconds == time_ns)

    def seen(self):
        """Return what the policy is given, as `offline` does."""
        config = self.policy._policy.config
        return [_seen(message, config) for message in self.observations]


def _seen(message, config):
    values = observation_from_msg(message, config)
    stamps = [time_to_ns(image.header.stamp) for image in message.images]
    n_cameras = len(config.camera_names)
    columns = {name: tuple(stamps[k::n_cameras]) for k, name in enumerate(message.camera_names)}
    return time_to_ns(message.header.stamp), values['state'], values['images'], columns


def offline(bag, task):
    """Return the windows of the data set, and the recording."""
    recording = read_bag(bag, window_spec(task), BagTopics.of(task))
    windows = []
    for stamp_ns in recording.stamps_ns:
        try:
            window = recording.builder.build(stamp_ns)
        except ValueError as refusal:
            recording.refuse(refusal)
        else:
            images = {name: window.images[name] for name in task.cameras}
            windows.append((stamp_ns, window.state, images, window.image_stamps_ns))
    return windows, recording


def difference(seen, windows):
    """Name the first difference of what is given live and by the data set, or return None."""
    if len(seen) != len(windows):
        return f'{len(seen)} observations, {len(windows)} windows'
    for index, (live, stored) in enumerate(zip(seen, windows, strict=True)):
        if live[0] != stored[0]:
            return f'stamp {index}'
        if live[1].shape != stored[1].shape or live[1].tobytes() != stored[1].tobytes():
            return f'state {index}'
        if list(live[2]) != list(stored[2]) or live[3] != stored[3]:
            return f'cameras or their stamps {index}'
        for name, image in live[2].items():
            if (
                image.shape != stored[2][name].shape
                or image.tobytes() != stored[2][name].tobytes()
            ):
                return f'image {name} {index}'
    return None


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """Return a policy that was trained for what a task file says."""
    folder = tmp_path_factory.mktemp('parity')
    (folder / 'task.yaml').write_text(task_text(TASK))
    task = read_task(folder / 'task.yaml')
    values = {entry.name: getattr(task, entry.name) for entry in fields(Task)}
    return tiny_policy.checkpoint(folder / 'policy', **values)


@pytest.fixture(scope='module')
def bag(checkpoint):
    return bag_maker.write(checkpoint.parent / 'bag', rough_recording())


@pytest.fixture(scope='module')
def player(checkpoint, bag):
    """Return a player that has played the bag to the nodes, and what came of it."""
    context = rclpy.Context()
    context.init(domain_id=next(d for d in DOMAINS if domain_is_free(d)))
    with ExitStack() as stack:
        stack.callback(context.try_shutdown)
        player = Player(context, checkpoint, stack)
        player.play(bag)
        expected = len(offline(bag, read_task(checkpoint))[0])
        player.until(lambda: len(player.observations) >= expected)
        yield player


def test_a_bag_played_live_gives_the_windows_of_the_data_set(player, checkpoint, bag):
    windows, recording = offline(bag, read_task(checkpoint))
    assert len(windows) > 10 and recording.refused
    assert difference(player.seen(), windows) is None
    refused = sum(recording.refused.values())
    dropped = sum(count.dropped for count in player.live.counts.values())
    assert refused == dropped + len(recording.stamps_ns) - len(windows)
    assert sum(recording.rejected.values()) == player.live.commands.dropped == 1


def test_commands_were_followed_in_the_windows_that_are_compared(player):
    states = np.array([state for _, state, *_ in player.seen()])
    measured, commanded = np.split(states, 2, axis=2)
    assert (np.abs(measured - commanded).max(axis=(0, 1)) > 0.1).all()


def with_camera(name, **changes):
    cameras = dict(TASK.cameras)
    return {'cameras': cameras | {name: replace(cameras[name], **changes)}}


def with_topics(**changes):
    return {'topics': replace(TOPICS, **changes)}


CHANGES = {
    'joints': {'joints': TASK.joints[::-1]},
    'gripper_joints': {'gripper_joints': ()},
    'observations': {'observations': ('joint_positions',)},
    'cameras.front.size': with_camera('front', size=(16, 24)),
    'cameras.front.topic': with_camera('front', topic='other/cell/front'),
    'cameras.front.crop': with_camera('front', crop=(4, 4, 64, 96)),
    'cameras.front.tolerance': with_camera('front', tolerance=0.012),
    'cameras.front.latency': with_camera('front', latency=0.005),
    'cameras.wrist.size': with_camera('wrist', size=(18, 18)),
    'cameras.wrist.topic': with_camera('wrist', topic='other/cell/wrist'),
    'cameras.wrist.crop': with_camera('wrist', crop=(4, 7, 72, 72)),
    'cameras.wrist.tolerance': with_camera('wrist', tolerance=0.012),
    'cameras.wrist.latency': with_camera('wrist', latency=0.011),
    'camera_slop': {'camera_slop': 0.002},
    'joint_latency': {'joint_latency': 0.0031},
    'max_joint_gap': {'max_joint_gap': 0.011},
    'dt': {'dt': 0.071},
    'n_obs_steps': {'n_obs_steps': 2},
    'topics.joint_states': with_topics(joint_states='other/arm/joint_states'),
    'topics.commands': with_topics(commands='other/arm/joint_trajectory'),
    'topics.gripper': with_topics(gripper='other/hand/target'),
}
# What a window does not depend on, with other values.
ELSEWHERE = {
    'name': 'smooth',
    'horizon': 16,
    'n_action_steps': 1,
    'start_positions': (0.1,) * len(TASK.joints),
}
# What has one value for recordings only.
FIXED = {'state_names', 'action'}


def flat(values, prefix=''):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}'


def test_every_value_of_a_task_is_changed_here():
    assert set(flat(task_to_dict(TASK))) == CHANGES.keys() | ELSEWHERE.keys() | FIXED


@pytest.mark.parametrize('key', CHANGES)
def test_a_value_that_differs_on_one_side_is_seen_in_the_comparison(player, bag, key):
    windows, _ = offline(bag, replace(TASK, **CHANGES[key]))
    assert difference(player.seen(), windows) is not None


def test_the_order_of_the_cameras_is_seen_too(player, bag):
    swapped = replace(TASK, cameras=dict(reversed(TASK.cameras.items())))
    assert difference(player.seen(), offline(bag, swapped)[0]) is not None


@pytest.mark.parametrize('key', ELSEWHERE)
def test_what_a_window_does_not_depend_on_changes_none(player, bag, key):
    assert (
        difference(player.seen(), offline(bag, replace(TASK, **{key: ELSEWHERE[key]}))[0]) is None
    )
