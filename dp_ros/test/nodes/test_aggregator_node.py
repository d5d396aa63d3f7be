# SPDX-License-Identifier: Apache-2.0
"""The observation_aggregator in one process: observations, refusals by reason, diagnostics."""

from contextlib import ExitStack, closing
from dataclasses import replace
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from dp_ros.nodes.observation_aggregator.node import ObservationAggregatorNode
from dp_ros.robot.units import MS
from dp_ros.ros.contract import LATCHED, TOPIC, contract_msg
from dp_ros.ros.conversions import ns_to_time, time_to_ns
from dp_ros.task.task import Camera, Task, Topics
from dp_ros.task.task_file import task_text
from dp_ros_msgs.msg import Contract, Observation
from geometry_msgs.msg import TransformStamped
import numpy as np
import pytest
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger
from tf2_ros import Buffer, TransformBroadcaster
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

NOW_NS = 1_800_000_000_000_000_000
JOINTS = ['fr3_joint1', 'fr3_joint2']
TASK = Task(joints=JOINTS, name='reach', cameras={'front': Camera((16, 24))})
FRONT = 'camera/front/image_raw'
FRONT_ONLY = {FRONT: Image}
# A busy machine is not a stream that is late.
CALM = {'max_age': 30.0, 'max_wait': 5.0}
RED = np.full((16, 24, 3), (255, 0, 0), dtype=np.uint8)


@pytest.fixture
def make_node(ros_context, tmp_path):
    """Return make_node(task, …): the node with a task file, or with none and no task."""

    def make(task=TASK, file=None, **parameters):
        if task is not None and file is None:
            file = tmp_path / 'task.yaml'
            file.write_text(task_text(task))
        parameters = CALM | parameters | ({'task': str(file)} if file else {})
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        return ObservationAggregatorNode(context=ros_context, parameter_overrides=overrides)

    return make


@pytest.fixture
def make(make_node):
    """Make benches that are gone, publishers and all, when the test is over."""
    with ExitStack() as stack:
        yield lambda kinds=FRONT_ONLY, **changes: stack.enter_context(
            closing(Bench(make_node(**changes), kinds))
        )


class Bench:
    """The node, and one that plays cameras, robot and policy."""

    def __init__(self, aggregator, kinds):
        self.aggregator, context = aggregator, aggregator.context
        self.node = Node('bench', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.aggregator)
        self.executor.add_node(self.node)
        self.observations, self.reports = [], []
        qos = QoSProfile(depth=50)
        self.node.create_subscription(Observation, 'observation', self.observations.append, qos)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, qos)
        self.joints_out = self.node.create_publisher(JointState, 'joint_states', qos)
        self.images_out = {
            topic: self.node.create_publisher(kind, topic, qos) for topic, kind in kinds.items()
        }
        self.contracts_out = self.node.create_publisher(Contract, TOPIC, LATCHED)
        self.until(self.contracts_out.get_subscription_count)
        if aggregator._streams is not None:
            self.until_heard()
        self.until(lambda: self.node.count_publishers('observation') == 1)

    def until_heard(self):
        publishers = [self.joints_out, *self.images_out.values()]
        self.until(lambda: all(p.get_subscription_count() for p in publishers))

    @property
    def streams(self):
        return self.aggregator._streams

    @property
    def live(self):
        return self.streams.live

    def close(self):
        self.aggregator.destroy_node()
        self.node.destroy_node()

    def _on_report(self, array):
        self.reports += [s for s in array.status if s.name == '/observation_aggregator']

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, 'nothing came in time'
            self.executor.spin_once(timeout_sec=0.02)

    def now_ns(self):
        return self.node.get_clock().now().nanoseconds

    def joints(self, stamp_ns, positions=(0.1, 0.2), names=JOINTS):
        message = JointState(name=names, position=[float(p) for p in positions])
        message.header.stamp = ns_to_time(stamp_ns)
        self.joints_out.publish(message)

    def image(self, stamp_ns, pixels=RED, encoding='rgb8', topic=FRONT):
        message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
        message.step = pixels[0].nbytes
        message.header.stamp = ns_to_time(stamp_ns)
        message.header.frame_id = 'optical'
        message.data.frombytes(pixels.tobytes())
        self.images_out[topic].publish(message)

    def feed(self, now_ns=None):
        """Send what one observation needs; return its stamp."""
        now_ns = now_ns or self.now_ns()
        for back in range(200, -50, -50):
            self.joints(now_ns - back * MS)
        self.image(now_ns - 100 * MS)
        self.image(now_ns)
        return now_ns

    def refusal(self, stream):
        """Wait until something of the stream is refused; return the reason."""
        count = self.live.counts[stream]
        self.until(lambda: count.dropped)
        return count.last_refusal

    def report(self, condition):
        self.until(lambda: any(condition(report) for report in self.reports))
        return next(report for report in self.reports if condition(report))


def values(report):
    return {entry.key: entry.value for entry in report.values}


def test_an_observation(make):
    bench = make()
    stamp_ns = bench.feed()
    bench.until(lambda: bench.observations)
    observation = bench.observations[0]
    assert time_to_ns(observation.header.stamp) == stamp_ns
    assert (observation.dt, observation.n_obs_steps) == (0.1, 2)
    assert observation.joint_names == JOINTS
    np.testing.assert_allclose(observation.joint_positions, [0.1, 0.2] * 2)
    assert observation.camera_names == ['front']
    assert [time_to_ns(i.header.stamp) for i in observation.images] == [
        stamp_ns - 100 * MS,
        stamp_ns,
    ]
    assert observation.images[1].data.tobytes() == RED.tobytes()
    assert observation.images[1].header.frame_id == 'optical'
    assert len(observation.eef_poses) == 0


def test_an_observation_says_when_its_last_message_came(make):
    bench = make()
    stamp_ns = bench.now_ns()
    for back in (200, 150, 100, 50):
        bench.joints(stamp_ns - back * MS)
    bench.image(stamp_ns - 100 * MS)
    bench.image(stamp_ns)
    bench.until(lambda: bench.live.counts['front'].matched == 2)
    sent_ns = bench.now_ns()
    bench.joints(stamp_ns)
    bench.until(lambda: bench.observations)
    (observation,) = bench.observations
    times = [time_to_ns(time) for time in (observation.received, observation.completed)]
    assert sent_ns < times[0] < times[1] < bench.now_ns()


def test_two_cameras_of_another_kind_and_size(make):
    kinds = {'wrist/image/compressed': CompressedImage, FRONT: Image}
    bench = make(
        kinds=kinds,
        task=replace(
            TASK, cameras={'wrist': Camera((8, 8), 'wrist/image'), 'front': Camera((16, 24))}
        ),
        compressed_cameras=['wrist'],
    )
    now_ns = bench.now_ns()
    for back in (100, 0):
        compressed = CompressedImage(format='png')
        compressed.header.stamp = ns_to_time(now_ns - back * MS - 3 * MS)
        blue = np.full((20, 20, 3), (255, 0, 0), dtype=np.uint8)
        compressed.data.frombytes(cv2.imencode('.png', blue)[1].tobytes())
        bench.images_out['wrist/image/compressed'].publish(compressed)
        bench.image(now_ns - back * MS, np.zeros((32, 48, 3), np.uint8), 'bgr8')
    for back in range(200, -50, -50):
        bench.joints(now_ns - back * MS)
    bench.until(lambda: bench.observations)
    images = bench.observations[0].images
    assert [(i.height, i.width) for i in images] == [(8, 8), (16, 24)] * 2
    assert images[0].data.tobytes() == bytes([0, 0, 255]) * 64


def test_an_end_effector_pose_from_tf(make):
    bench = make(eef_frame='tcp', base_frame='base')
    broadcaster = TransformBroadcaster(bench.node)
    bench.until(lambda: bench.node.count_subscribers('/tf') == 1)
    stamp_ns = bench.feed()
    bench.until(lambda: len(bench.aggregator._waiting) == 1)
    for back in (150, -50):
        transform = TransformStamped(child_frame_id='tcp')
        transform.header.frame_id = 'base'
        transform.header.stamp = ns_to_time(stamp_ns - back * MS)
        transform.transform.translation.x = -back / 1000
        broadcaster.sendTransform(transform)
    bench.until(
        lambda: (
            bench.aggregator._poses.lookup([stamp_ns]) != []
            and not isinstance(bench.aggregator._poses.lookup([stamp_ns]), str)
        )
    )
    bench.joints(stamp_ns + 10 * MS)
    bench.until(lambda: bench.observations)
    poses = bench.observations[0].eef_poses
    assert [pose.header.frame_id for pose in poses] == ['base', 'base']
    np.testing.assert_allclose([pose.pose.position.x for pose in poses], [-0.1, 0.0], atol=1e-9)


def test_a_missing_transform_is_named(make):
    bench = make(eef_frame='tcp', max_wait=0.1)
    stamp_ns = bench.feed()
    bench.until(lambda: bench.now_ns() > stamp_ns + 150 * MS)
    bench.joints(bench.now_ns())
    bench.until(lambda: bench.live.last_refusal.startswith('tf: '))
    assert '"base"' in bench.live.last_refusal
    assert not bench.observations


@pytest.mark.parametrize(
    ('positions', 'names', 'reason'),
    [
        ((0.1, float('nan')), JOINTS, 'position of fr3_joint2 is not finite: nan'),
        ((float('-inf'), 0.1), JOINTS, 'position of fr3_joint1 is not finite: -inf'),
        ((0.1,), JOINTS[:1], 'no fr3_joint2 among'),
        ((0.1,), JOINTS, '2 names, 1 positions'),
    ],
)
def test_joint_states_that_are_refused(make, positions, names, reason):
    bench = make()
    bench.joints(bench.now_ns(), positions, names)
    assert reason in bench.refusal('joint_states')
    bench.feed()
    bench.until(lambda: bench.observations)


@pytest.mark.parametrize(
    ('pixels', 'encoding', 'reason'),
    [
        (RED[:8], 'rgb8', 'image is 24×8, 24×16 is needed'),
        (np.zeros((16, 24), np.float32), '32FC1', "encoding '32FC1': needs one of"),
        (RED, 'no_such', 'no_such'),
        (RED, 'rgba8', '1152 bytes for 24×16 rgba8 with a step of 72 bytes: needs at least 96'),
        (RED[:, :3], 'yuv422', 'OpenCV refuses it'),
    ],
)
def test_images_that_are_refused(make, pixels, encoding, reason):
    bench = make()
    bench.image(bench.now_ns(), pixels, encoding)
    text = bench.refusal('front')
    assert text.startswith('camera front: ') and reason in text
    bench.feed()
    bench.until(lambda: bench.observations)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'height': 0, 'width': 0, 'step': 0, 'data': []}, '0 bytes for 0×0 rgb8'),
        ({'width': 0, 'step': 72}, '1152 bytes for 0×16 rgb8'),
        ({'data': []}, '0 bytes for 24×16'),
        ({'data': [0] * 1000}, '1000 bytes for 24×16'),
    ],
)
def test_images_without_their_data_are_refused(make, changes, reason):
    bench = make()
    message = Image(height=16, width=24, encoding='rgb8', step=72, data=RED.tobytes())
    message.header.stamp = ns_to_time(bench.now_ns())
    for name, value in changes.items():
        setattr(message, name, value)
    bench.images_out[FRONT].publish(message)
    assert reason in bench.refusal('front')
    bench.feed()
    bench.until(lambda: bench.observations)


def test_big_endian_and_padded_images_are_read_as_they_are(make):
    bench = make()
    now_ns = bench.now_ns()
    grey = np.random.default_rng(0).integers(0, 256, (16, 24), dtype=np.uint8)
    for back in (100, 0):
        rows = np.pad((grey.astype('>u2') * 257).view(np.uint8).reshape(16, 48), ((0, 0), (0, 5)))
        message = Image(height=16, width=24, encoding='mono16', is_bigendian=1, step=53)
        message.header.stamp = ns_to_time(now_ns - back * MS)
        message.data.frombytes(rows.tobytes())
        bench.images_out[FRONT].publish(message)
    for back in range(200, -50, -50):
        bench.joints(now_ns - back * MS)
    bench.until(lambda: bench.observations)
    seen = np.frombuffer(bench.observations[0].images[1].data, np.uint8).reshape(16, 24, 3)
    np.testing.assert_array_equal(seen, np.repeat(grey[..., None], 3, axis=2))


def test_a_command_that_cannot_be_read_costs_itself_alone(make):
    bench = make()
    bench.joints(bench.now_ns())
    bench.until(lambda: bench.live.counts['joint_states'].matched)
    commands = bench.node.create_publisher(
        JointTrajectory, 'fr3_arm_controller/joint_trajectory', QoSProfile(depth=50)
    )
    bench.until(commands.get_subscription_count)
    good = JointTrajectoryPoint(positions=[1.0, 2.0])
    good.time_from_start.nanosec = 50_000_000
    commands.publish(
        JointTrajectory(joint_names=JOINTS, points=[JointTrajectoryPoint(positions=[1.0]), good])
    )
    commands.publish(JointTrajectory(joint_names=JOINTS, points=[good]))
    count = bench.live.commands
    bench.until(lambda: count.received == 2)
    assert count.dropped == 1 and 'points of different lengths: 1 positions' in count.last_refusal
    followed_ns = bench.now_ns() + 200 * MS
    bench.until(lambda: bench.now_ns() > followed_ns)
    bench.feed(bench.now_ns() + 90 * MS)
    bench.until(lambda: bench.observations)
    np.testing.assert_allclose(bench.observations[0].commanded_positions[-2:], [1.0, 2.0])


@pytest.mark.parametrize(
    ('offset_ns', 'reason'),
    [
        (None, 'stamp 0 ns'),
        (3600_000 * MS, 'in the future'),
        (-40_000 * MS, 'after its stamp, max_age is 30000 ms'),
    ],
)
def test_stamps_that_are_refused(make, offset_ns, reason):
    bench = make()
    stamp_ns = 0 if offset_ns is None else bench.now_ns() + offset_ns
    bench.image(stamp_ns)
    bench.joints(stamp_ns)
    assert reason in bench.refusal('front')
    assert reason in bench.refusal('joint_states')
    bench.feed()
    bench.until(lambda: bench.observations)


def test_stamps_that_go_back(make):
    bench = make()
    stamp_ns = bench.feed()
    bench.until(lambda: bench.observations)
    bench.image(stamp_ns - 50 * MS)
    bench.joints(stamp_ns - 50 * MS)
    assert 'goes back by 50.0 ms' in bench.refusal('front')
    assert 'goes back by 50.0 ms' in bench.refusal('joint_states')
    assert len(bench.observations) == 1


def test_a_camera_that_stops_is_named(make):
    bench = make()
    bench.feed()
    bench.report(lambda r: r.level == DiagnosticStatus.OK and r.message == 'running')
    end = time.monotonic() + 60.0
    message = f'no observation: nothing on /{FRONT} (1 publisher)'
    while not any(r.message == message for r in bench.reports):
        assert time.monotonic() < end, [r.message for r in bench.reports]
        bench.joints(bench.now_ns())
        bench.executor.spin_once(timeout_sec=0.05)


def test_missing_publishers_are_named_and_messages_counted(make):
    bench = make(task=replace(TASK, cameras={'front': Camera((16, 24), 'elsewhere')}), kinds={})
    text = bench.report(lambda r: 'nothing on' in r.message).message
    assert 'nothing on /elsewhere (no publisher)' in text
    assert 'nothing on /joint_states (1 publisher)' in text


def test_every_message_is_counted(make):
    bench = make()
    bench.feed()
    bench.image(0)
    report = bench.report(lambda r: values(r)[f'{FRONT}.dropped'] == '1')
    counts = values(report)
    assert counts['observations'] == '1'
    keys = ('received', 'matched', 'dropped', 'late')
    assert [counts[f'{FRONT}.{key}'] for key in keys] == ['3', '2', '1', '0']
    assert [counts[f'joint_states.{key}'] for key in keys] == ['5', '5', '0', '0']
    assert 'stamp 0 ns' in counts[f'{FRONT}.last_refusal']


def test_a_reset_forgets_what_is_older(make):
    bench = make()
    stamp_ns = bench.feed()
    bench.until(lambda: bench.observations)
    client = bench.node.create_client(Trigger, 'observation_aggregator/reset')
    bench.until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    bench.until(future.done)
    assert future.result().success
    bench.image(stamp_ns + 1 * MS)
    assert 'before the reset' in bench.refusal('front')
    bench.until(lambda: bench.now_ns() > stamp_ns + 300 * MS)
    again_ns = bench.feed(bench.now_ns() + 90 * MS)
    bench.until(lambda: len(bench.observations) == 2)
    assert time_to_ns(bench.observations[1].header.stamp) == again_ns


def test_a_clock_that_jumps_back_clears_the_buffers(make):
    bench = make(use_sim_time=True)
    clock = bench.node.create_publisher(Clock, '/clock', 10)
    bench.until(clock.get_subscription_count)

    def at(time_ns):
        clock.publish(Clock(clock=ns_to_time(time_ns)))
        bench.until(lambda: bench.aggregator.get_clock().now().nanoseconds == time_ns)
        return bench.feed(time_ns)

    at(50_000 * MS)
    bench.until(lambda: len(bench.observations) == 1)
    at(10_000 * MS)
    bench.until(lambda: len(bench.observations) == 2)
    assert time_to_ns(bench.observations[1].header.stamp) == 10_000 * MS


def test_a_system_clock_that_is_set_back_clears_them_too(make, monkeypatch):
    bench, cleared = make(), []
    monkeypatch.setattr(bench.aggregator, '_forget', cleared.append)
    bench.aggregator._clock_watch._last_ns += 3_600_000 * MS
    bench.until(lambda: cleared)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('joints: []', 'joints is empty'),
        ('{joints: [a], dt: 0.1, cameras: {front: {size: [16]}}}', 'needs height and width'),
        ('{joints: [a], cameras: {front: {size: [16, 24], tolerance: 0.06}}}', 'serve two frames'),
        ('{joints: [a], image_sizes: [16, 24]}', 'image_sizes: no such key'),
        ('{joints: [a], dt: fast}', "dt = 'fast': needs float"),
        ('- a', 'needs the keys of a task'),
        (None, 'cannot be read'),
    ],
)
def test_a_task_file_that_cannot_be_followed_is_refused(make_node, tmp_path, text, reason):
    file = tmp_path / 'mine.yaml'
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=reason):
        make_node(file=file)


def test_a_parameter_of_another_type(make_node):
    with pytest.raises(InvalidParameterTypeException):
        make_node(max_age='fast')


# ---- the contract


def send(bench, trained, **changes):
    """Say what the configured policy was trained for."""
    message = contract_msg(trained, 'policies/mine', 'abc')
    for name, value in changes.items():
        setattr(message, name, value)
    bench.contracts_out.publish(message)


def test_without_a_task_it_waits_and_says_for_what(make):
    bench = make(task=None)
    waits = bench.report(lambda r: 'no task yet' in r.message)
    assert (waits.level, waits.message) == (
        DiagnosticStatus.WARN,
        'no observation: no task yet: waiting for policy/contract',
    )
    assert bench.joints_out.get_subscription_count() == 0


def test_the_task_of_the_policy_is_followed_and_then_that_of_the_next_one(make):
    bench = make(task=None)
    send(bench, TASK)
    bench.until_heard()
    bench.feed()
    bench.until(lambda: bench.observations)
    assert bench.observations[-1].joint_names == JOINTS
    assert bench.observations[-1].n_obs_steps == 2
    streams = bench.streams
    send(bench, replace(TASK, n_obs_steps=1, joints=JOINTS[1:], dt=0.2))
    bench.until(lambda: bench.streams not in (streams, None))
    bench.until_heard()
    bench.observations.clear()
    bench.feed()
    bench.until(lambda: bench.observations)
    observation = bench.observations[0]
    assert (observation.dt, observation.n_obs_steps) == (0.2, 1)
    assert observation.joint_names == JOINTS[1:]
    np.testing.assert_allclose(observation.joint_positions, [0.2])


def test_a_contract_that_comes_again_forgets_nothing(make):
    bench = make(task=None)
    send(bench, TASK)
    bench.until_heard()
    bench.feed()
    bench.until(lambda: bench.observations)
    streams, received = bench.streams, len(bench.observations)
    heard = []
    bench.node.create_subscription(Contract, TOPIC, heard.append, LATCHED)
    bench.until(lambda: len(heard) == 1)
    send(bench, TASK)
    bench.until(lambda: len(heard) == 2)
    bench.feed()
    bench.until(lambda: len(bench.observations) > received)
    assert bench.streams is streams


def test_a_task_file_that_is_the_policys_is_followed_on(make):
    bench = make()
    streams, heard = bench.streams, []
    bench.node.create_subscription(Contract, TOPIC, heard.append, LATCHED)
    send(bench, TASK)
    bench.until(lambda: heard)
    bench.feed()
    bench.until(lambda: bench.observations)
    assert bench.streams is streams


def reported(bench, text):
    """Wait for an error that says something; return it."""
    return bench.report(lambda r: r.level == DiagnosticStatus.ERROR and text in r.message).message


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'dt': 0.05}, 'dt: 0.1 and 0.05'),
        ({'n_obs_steps': 3}, 'n_obs_steps: 2 and 3'),
        ({'joints': JOINTS[::-1]}, f'joints: {JOINTS} and {JOINTS[::-1]}'),
        ({'joint_latency': 0.01}, 'joint_latency: 0.0 and 0.01'),
        ({'topics': Topics(gripper='hand')}, "topics.gripper: 'gripper/target' and 'hand'"),
        (
            {'cameras': {'front': Camera((16, 24), latency=0.02)}},
            'cameras.front.latency: 0.0 and 0.02',
        ),
        ({'cameras': {}}, "cameras.front: {'size': [16, 24]"),
    ],
)
def test_a_contract_that_differs_from_the_task_file_is_refused_by_name(make, changes, named):
    bench = make()
    send(bench, replace(TASK, **changes))
    assert f'the task file and policy/contract differ: {named}' in reported(bench, 'differ')
    bench.until(lambda: not bench.joints_out.get_subscription_count())
    assert not bench.observations
    send(bench, TASK)
    bench.until_heard()
    bench.feed()
    bench.until(lambda: bench.observations)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'needs the keys of a task'),
        ('[1, 2', 'cannot be read'),
        ('{joints: [a], cameras: 7}', 'needs the settings of each camera by its name'),
        ('{joints: [a], dt: .nan}', 'dt = nan: needs float'),
        ('{joints: [a], horizon: 1000000000}', 'horizon = 1000000000: needs 1 to'),
        ('{joints: [a], state_names: [x]}', 'state_names = '),
        ('{joints: [a], topics: {joint_states: "what is this"}}', 'what is this'),
        ('{joints: [a], cameras: {front: {size: [8, 8], topic: "a b"}}}', 'a b'),
        ('{joints: [a], cameras: {front: {size: [8, 8], topic: joint_states}}}', 'joint_states'),
        ('{joints: [a], cameras: {joint_states: {size: [8, 8]}}}', 'joint_states'),
    ],
)
def test_a_contract_that_makes_no_sense_is_refused_by_name_and_the_next_is_followed(
    make, text, reason
):
    bench = make(task=None)
    send(bench, TASK, task=text)
    assert reason in reported(bench, 'no observation')
    assert bench.streams is None
    send(bench, TASK)
    bench.until_heard()
    bench.feed()
    bench.until(lambda: bench.observations)


def test_nothing_of_a_task_that_cannot_be_followed_is_still_heard(make):
    bench = make(task=None)
    send(bench, replace(TASK, topics=Topics(gripper='no topic')))
    reported(bench, 'no topic')
    bench.until(lambda: not bench.joints_out.get_subscription_count())
    assert not bench.images_out[FRONT].get_subscription_count()


def test_a_compressed_camera_that_the_task_has_not_is_refused(make):
    bench = make(task=None, compressed_cameras=['wrist'])
    send(bench, TASK)
    assert "compressed_cameras: ['wrist']: the task has ['front']" in reported(bench, 'compressed')


def test_limits_change_while_it_runs(make):
    bench = make()
    refused = bench.aggregator.set_parameters([Parameter('max_age', value=-1.0)])[0]
    assert not refused.successful and 'max_age' in refused.reason
    assert bench.aggregator.set_parameters([Parameter('max_age', value=60.0)])[0].successful
    bench.image(bench.now_ns() - 40_000 * MS)
    count = bench.live.counts['front']
    bench.until(lambda: count.received)
    assert count.dropped == 0


def test_what_is_done_with_a_set_is_done_outside_of_the_lock_that_upstream_would_keep(make):
    bench, held = make(), []
    lock = bench.streams._synchronizer.lock
    publish = bench.streams._on_news
    bench.streams._on_news = lambda now_ns: (held.append(lock.locked()), publish(now_ns))
    bench.feed()
    bench.until(lambda: bench.observations)
    assert held and not any(held)


def test_transforms_from_before_a_jump_back_are_forgotten_whatever_tf2_ros_does(make, monkeypatch):
    """Do so with the method of tf2_ros 0.36.3, which lacks its first argument."""
    monkeypatch.setattr(Buffer, 'time_jump_callback', lambda time_jump: None)
    bench = make(use_sim_time=True, eef_frame='tcp')
    clock = bench.node.create_publisher(Clock, '/clock', 10)
    bench.until(clock.get_subscription_count)
    own = bench.aggregator.get_clock()

    def tick(time_ns):
        clock.publish(Clock(clock=ns_to_time(time_ns)))
        bench.until(lambda: own.now().nanoseconds == time_ns)

    tick(NOW_NS)
    transform = TransformStamped(child_frame_id='tcp')
    transform.header.frame_id = 'base'
    transform.header.stamp = ns_to_time(NOW_NS)
    buffer = bench.aggregator._poses._buffer
    buffer.set_transform(transform, 'test')
    assert buffer.can_transform('base', 'tcp', Time())
    tick(NOW_NS - 5000 * MS)
    assert not buffer.can_transform('base', 'tcp', Time())
