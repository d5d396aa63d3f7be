# SPDX-License-Identifier: Apache-2.0
"""The policy node in one process: life cycle, chunks, live parameters, refusals."""

from contextlib import ExitStack, closing
from pathlib import Path
import shutil
import threading
import time

from arms import SIX_JOINTS, six
from dp_ros.nodes.policy.node import PolicyNode
from dp_ros.policy.checkpoint import load_policy
from dp_ros.policy.policy import chunk_seed
from dp_ros.robot.arm_model import read_tcp
from dp_ros.ros.contract import LATCHED
from dp_ros.ros.conversions import ns_to_duration, ns_to_time, time_to_ns
from dp_ros.task.task import first_difference
from dp_ros.task.task_file import parse_task
from dp_ros_msgs.msg import Contract, ExecutorStatus, Observation, PolicyStatus
import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger
import tiny_policy
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
DEADLINE = 60.0


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tiny_policy.checkpoint(tmp_path_factory.mktemp('checkpoint'))


class Bench:
    """The node, and one that sends observations and keeps what comes back."""

    def __init__(self, context, folder, **parameters):
        values = {
            'autostart': False,
            'checkpoint': str(folder),
            'engine': 'torch',
            'rate': 50.0,
            'max_observation_age': 30.0,  # The machine that tests may be busy.
        }
        values |= {name.replace('__', '.'): value for name, value in parameters.items()}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.policy = PolicyNode(context=context, parameter_overrides=overrides)
        self.node = Node('bench', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.policy)
        self.executor.add_node(self.node)
        self.chunks, self.statuses, self.markers = [], [], []
        for kind, topic, record in (
            (JointTrajectory, 'policy/chunk', self.chunks),
            (PolicyStatus, 'policy/status', self.statuses),
            (MarkerArray, 'policy/markers', self.markers),
        ):
            self.node.create_subscription(kind, topic, record.append, QoSProfile(depth=50))
        self.contracts = []
        self.node.create_subscription(Contract, 'policy/contract', self.contracts.append, LATCHED)
        self.sender = self.node.create_publisher(Observation, 'observation', QoSProfile(depth=1))

    def until(self, condition, deadline=DEADLINE):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, 'nothing came in time'
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def start(self):
        assert self.policy.trigger_configure() == SUCCESS
        assert self.policy.trigger_activate() == SUCCESS
        self.until(lambda: self.sender.get_subscription_count() == 1)
        self.until(lambda: self.policy.count_subscribers('policy/chunk') == 1)
        return self

    def now_ns(self):
        return self.node.get_clock().now().nanoseconds

    def send(self, message=None, **changes):
        message = message or observation_msg(self.now_ns())
        for name, value in changes.items():
            setattr(message, name, value)
        self.sender.publish(message)
        return message

    def chunk(self, message=None, **changes):
        count = len(self.statuses)
        self.send(message, **changes)
        self.until(lambda: len(self.statuses) > count and len(self.chunks) > count)
        return self.chunks[-1]

    def set(self, name, value):
        return self.policy.set_parameters([Parameter(name, value=value)])[0]

    def call(self, name):
        client = self.node.create_client(Trigger, name)
        future = client.call_async(Trigger.Request())
        self.until(future.done)
        return future.result()

    def close(self):
        self.executor.shutdown()
        self.policy.destroy_node()
        self.node.destroy_node()


@pytest.fixture
def bench(ros_context, folder):
    with ExitStack() as stack:

        def make(path=folder, **parameters):
            return stack.enter_context(closing(Bench(ros_context, path, **parameters)))

        yield make


def observation_msg(stamp_ns, seed=0, config=tiny_policy.CONFIG):
    values = tiny_policy.observation(seed, config)
    message = Observation(
        dt=0.1,
        n_obs_steps=2,
        joint_names=list(config.joint_names),
        joint_positions=values['state'].ravel().tolist(),
        camera_names=['front'],
        images=[
            Image(height=32, width=40, encoding='rgb8', step=120, data=image.tobytes())
            for image in values['images']['front']
        ],
    )
    message.header.stamp = ns_to_time(stamp_ns)
    return message


def positions(chunk):
    return np.array([point.positions for point in chunk.points])


def infer(folder, seed, **options):
    return load_policy(folder, engine='torch').infer(tiny_policy.observation(), seed, **options)


def test_a_chunk_is_the_policy_s_answer_with_the_observation_s_stamp(bench, folder):
    test = bench(seed=7).start()
    message = observation_msg(test.now_ns())
    chunk = test.chunk(message)
    status = test.statuses[-1]
    assert chunk.header.stamp == message.header.stamp == status.header.stamp
    assert chunk.header.frame_id == 'base'
    assert tuple(chunk.joint_names) == tiny_policy.JOINT_NAMES
    times = [time_to_ns(point.time_from_start) for point in chunk.points]
    assert times == [k * 100_000_000 for k in range(15)]
    assert status.seed == chunk_seed(7, 0)
    np.testing.assert_allclose(positions(chunk), infer(folder, status.seed).actions[0], atol=1e-6)


def test_the_status_says_how_the_chunk_came_about(bench, folder):
    test = bench(sampler__name='ddpm', sampler__num_inference_steps=5).start()
    test.chunk()
    status = test.statuses[-1]
    assert (status.chunk_id, status.sampler, status.num_inference_steps) == (1, 'ddpm', 5)
    assert (status.engine, status.device, status.checkpoint) == ('torch', 'cpu', str(folder))
    assert status.checkpoint_digest == load_policy(folder, engine='torch').digest
    assert 0 < status.inference_time <= status.latency < DEADLINE


def follow(test, join=0.25, seconds=120):
    """Send what an executor does: a slow motion, and that the last chunk took ``join`` [s]."""
    topics = test.policy._policy.config.task.topics
    commands = test.node.create_publisher(JointTrajectory, topics.commands, QoSProfile(depth=1))
    statuses = test.node.create_publisher(ExecutorStatus, 'executor/status', QoSProfile(depth=1))
    test.until(lambda: commands.get_subscription_count() and statuses.get_subscription_count())
    now_ns = test.now_ns()
    motion = JointTrajectory(joint_names=list(tiny_policy.JOINT_NAMES))
    motion.points = [
        JointTrajectoryPoint(
            positions=(tiny_policy.HOME + 0.001 * second).tolist(),
            time_from_start=ns_to_duration(second * 10**9),
        )
        for second in range(1, seconds)
    ]
    commands.publish(motion)
    status = ExecutorStatus(chunk_stamp=ns_to_time(now_ns))
    status.chunk_join = ns_to_time(now_ns + round(join * 1e9))
    statuses.publish(status)
    test.spin(0.3)


def test_observation_seed_and_prefix_of_the_status_reproduce_the_chunk(bench, folder):
    test = bench(conditioning='guided').start()
    test.chunk()
    assert test.statuses[-1].delay == 0
    follow(test)
    test.spin(1.2)
    chunk = test.chunk()
    status = test.statuses[-1]
    prefix = np.reshape(status.prefix, (status.delay, 7))
    assert status.delay == 3
    np.testing.assert_allclose(np.diff(prefix, axis=0), 1e-4, atol=1e-6)
    np.testing.assert_array_equal(positions(chunk)[:3], prefix)
    again = infer(folder, status.seed, prefix=prefix, conditioning='guided')
    np.testing.assert_allclose(positions(chunk), again.actions[0], atol=1e-6)


def test_a_policy_that_was_not_trained_with_committed_actions_runs_as_before(bench, folder):
    test = bench().start()
    assert test.policy.count_subscribers('executor/status') == 0
    status = test.chunk() and test.statuses[-1]
    assert (status.delay, list(status.prefix)) == (0, [])
    assert bench(conditioning='trained').policy.trigger_configure() == FAILURE


@pytest.mark.parametrize('join', [-0.2, 5.0])
def test_a_delay_by_clocks_that_are_not_synchronized_is_not_expected_again(bench, join):
    test = bench(conditioning='guided').start()
    follow(test, join)
    test.chunk()
    assert test.statuses[-1].delay == 0


def test_the_status_says_when_each_part_of_the_work_was_done(bench):
    test = bench().start()
    stamp_ns = time_to_ns(test.chunk().header.stamp)
    status = test.statuses[-1]
    stages = (status.received, status.inference_begun, status.inference_ended, status.published)
    times = [stamp_ns, *map(time_to_ns, stages), test.now_ns()]
    assert times == sorted(times)
    assert times[4] - stamp_ns == pytest.approx(1e9 * status.latency)
    shown = diagnostics(test)
    stages = {'observation', 'waiting', 'inference', 'publishing', 'latency'}
    assert {key.split()[0] for key in shown if key.endswith('[ms]')} == stages
    assert f'max {1e3 * status.latency:.1f}' in shown['latency [ms]']


def test_the_times_of_the_inference_are_as_far_apart_as_it_took(bench):
    test = bench().start()

    def agree():
        test.chunk()
        status = test.statuses[-1]
        took_ns = time_to_ns(status.inference_ended) - time_to_ns(status.inference_begun)
        return abs(took_ns - 1e9 * status.inference_time) < 5e6

    assert any(agree() for _ in range(20))  # Between two clocks that are read others may run.


def test_the_status_names_the_checkpoint_that_is_loaded_not_the_next_one(bench, folder):
    test = bench().start()
    assert test.set('checkpoint', '/elsewhere').successful
    test.chunk()
    assert test.statuses[-1].checkpoint == str(folder)


def test_the_same_observations_and_seed_give_the_same_chunks_after_a_reset(bench):
    test = bench(seed=3).start()
    first = [positions(test.chunk()) for _ in range(2)]
    assert np.abs(first[0] - first[1]).max() > 1e-3
    assert test.call('policy/reset').success
    again = [positions(test.chunk()) for _ in range(2)]
    np.testing.assert_array_equal(first, again)


def test_observations_from_before_a_reset_are_forgotten(bench):
    test = bench().start()
    old = observation_msg(test.now_ns())
    test.call('policy/reset')
    test.send(old)
    test.chunk(observation_msg(test.now_ns()))
    assert len(test.chunks) == 1
    assert test.chunks[0].header.stamp != old.header.stamp


def test_the_newest_observation_is_used_at_most_at_the_rate(bench):
    test = bench(rate=2.0).start()
    start_ns = test.now_ns()
    test.chunk(observation_msg(start_ns - 400_000_000))
    for k in range(1, 6):
        test.send(observation_msg(start_ns - 400_000_000 + k * 100_000_000))
    test.until(lambda: len(test.chunks) == 2)
    test.spin(0.3)
    assert len(test.chunks) == 2
    gap = time_to_ns(test.chunks[1].header.stamp) - time_to_ns(test.chunks[0].header.stamp)
    assert gap == 500_000_000


def test_a_machine_that_is_slow_makes_chunks_less_often(bench):
    test = bench(rate=0.0).start()
    quick_ns = test.policy._inbox.limits.period_ns
    for _ in range(20):
        test.policy._pace.add(300_000_000, 100_000_000)
    test.chunk()
    assert test.policy._inbox.limits.period_ns > quick_ns


def test_an_added_delay_holds_each_chunk_back(bench):
    test = bench(added_delay=0.2).start()
    test.chunk()
    status = test.statuses[-1]
    held_ns = time_to_ns(status.published) - time_to_ns(status.inference_ended)
    assert held_ns >= 200_000_000


def test_a_chunk_that_is_held_back_is_dropped_by_deactivate(bench):
    test = bench(added_delay=1.3).start()
    test.send()
    test.until(lambda: test.policy._job is not None)
    test.policy.trigger_deactivate()
    test.until(test.policy._job.done)
    assert test.chunks == []


def test_a_live_parameter_takes_effect_at_the_next_chunk(bench):
    test = bench().start()
    test.chunk()
    assert test.set('sampler.num_inference_steps', 3).successful
    assert test.set('sampler.name', 'ddpm').successful
    test.chunk()
    steps = [(status.sampler, status.num_inference_steps) for status in test.statuses]
    assert steps == [('ddim', 10), ('ddpm', 3)]


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('sampler.num_inference_steps', 21, 'Max: 20'),
        ('sampler.num_inference_steps', 0, ''),
        ('sampler.name', 'euler', "sampler = 'euler': needs one of ('auto', 'ddim', 'ddpm',"),
        ('rate', -1.0, ''),
        ('rate', 'fast', ''),
        ('added_delay', 1.4, 'so nothing would be left to follow'),
        ('n_samples', 65, ''),
        ('seed', -1, ''),
        ('base_frame', 'world', 'read-only'),
    ],
)
def test_an_invalid_live_parameter_is_refused_with_the_reason(bench, name, value, reason):
    test = bench().start()
    before = test.policy.get_parameter(name).value
    result = test.set(name, value)
    assert not result.successful
    assert reason in result.reason
    assert test.policy.get_parameter(name).value == before
    test.chunk()


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'sampler__num_inference_steps': 50}, 'num_inference_steps = 50'),
        ({'checkpoint': '/nowhere'}, '/nowhere/policy.json: no such file'),
        ({'checkpoint': ''}, 'needs the folder of a policy'),
        ({'added_delay': 2.0}, 'added_delay = 2 s: the last point of a chunk is 1.4 s after'),
    ],
)
def test_configure_refuses_what_does_not_fit(bench, monkeypatch, change, reason):
    test = bench(**change)
    logged = []
    monkeypatch.setattr(type(test.policy.get_logger()), 'error', lambda _, m: logged.append(m))
    assert test.policy.trigger_configure() == FAILURE
    assert len(logged) == 1
    assert reason in logged[0]
    assert 'Traceback' not in logged[0]


@pytest.mark.parametrize(
    ('name', 'damage', 'reason'),
    [
        ('policy.safetensors', lambda data: data[:-9], 'is truncated or was altered'),
        ('policy.safetensors', lambda data: data[:-9] + b'x' * 9, 'is truncated or was altered'),
        ('policy.json', lambda data: data[:-9], 'cannot be read'),
        ('policy.json', lambda data: data.replace(b'"dt": 0.1', b'"dt": 0.2'), 'was altered'),
        ('policy.json', lambda data: b'{"other": 1}', 'policy.json: '),
    ],
)
def test_configure_refuses_a_damaged_checkpoint(
    bench, folder, tmp_path, monkeypatch, name, damage, reason
):
    copy = Path(shutil.copytree(folder, tmp_path / 'copy'))
    (copy / name).write_bytes(damage((copy / name).read_bytes()))
    test = bench(copy)
    logged = []
    monkeypatch.setattr(type(test.policy.get_logger()), 'error', lambda _, m: logged.append(m))
    assert test.policy.trigger_configure() == FAILURE
    (message,) = logged
    assert f'{copy}/{name}' in message and reason in message
    assert 'Traceback' not in message


def test_what_the_policy_was_trained_for_is_told_when_it_is_configured(bench, folder):
    test = bench()
    test.until(lambda: test.node.count_publishers('policy/contract') == 1)
    assert test.contracts == []
    assert test.policy.trigger_configure() == SUCCESS
    test.until(lambda: test.contracts)
    (contract,) = test.contracts
    task = parse_task(contract.task, 'contract')
    assert first_difference(task, tiny_policy.CONFIG.task) is None
    assert (contract.name, contract.checkpoint) == (task.name, str(folder))
    assert contract.checkpoint_digest == load_policy(folder, engine='torch').digest
    assert 0 < time_to_ns(contract.header.stamp) <= test.now_ns()


def test_who_comes_later_is_told_too_and_of_the_next_policy(bench, tmp_path):
    test = bench()
    assert test.policy.trigger_configure() == SUCCESS
    late = []
    test.node.create_subscription(Contract, 'policy/contract', late.append, LATCHED)
    test.until(lambda: late)
    other = tiny_policy.checkpoint(tmp_path, seed=1, dt=0.05, name='other')
    assert test.policy.trigger_cleanup() == SUCCESS
    assert test.set('checkpoint', str(other)).successful
    assert test.policy.trigger_configure() == SUCCESS
    test.until(lambda: len(late) == 2)
    assert (late[1].name, parse_task(late[1].task, 'contract').dt) == ('other', 0.05)
    assert late[1].checkpoint_digest != late[0].checkpoint_digest


def test_a_policy_that_is_refused_is_not_told(bench, folder):
    test = bench(checkpoint='/nowhere')
    assert test.policy.trigger_configure() == FAILURE
    assert test.set('checkpoint', str(folder)).successful
    assert test.policy.trigger_configure() == SUCCESS
    test.until(lambda: test.contracts)
    assert [contract.checkpoint for contract in test.contracts] == [str(folder)]


@pytest.mark.parametrize(
    ('task', 'period_ms'),
    [({}, 300), ({'dt': 0.02}, 60), ({'dt': 0.05, 'n_action_steps': 4}, 75)],
)
def test_without_a_rate_chunks_come_as_the_task_needs_them(bench, tmp_path, task, period_ms):
    test = bench(tiny_policy.checkpoint(tmp_path, **task), rate=0.0)
    assert test.policy.trigger_configure() == SUCCESS
    assert test.policy._inbox.limits.period_ns == period_ms * 1_000_000
    assert test.set('rate', 5.0).successful
    assert test.policy._inbox.limits.period_ns == 200_000_000


def test_a_refused_checkpoint_can_be_replaced(bench, folder):
    test = bench(checkpoint='/nowhere')
    assert test.policy.trigger_configure() == FAILURE
    assert test.set('checkpoint', str(folder)).successful
    test.start().chunk()


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'joint_names': [f'other{i}' for i in range(7)]}, 'no joint fr3_joint1'),
        ({'camera_names': ['wrist']}, 'no camera front among'),
        ({'dt': 0.2}, 'frames 0.2 s apart'),
        ({'n_obs_steps': 3}, '3 frames, needs 2'),
        ({'joint_positions': [0.0]}, '1 joint_positions, needs 14'),
        ({'joint_positions': [float('nan')] * 14}, 'state of fr3_joint1 is [nan, nan]'),
        ({'joint_positions': [1e300] * 14}, 'state of fr3_joint1 is [1e+300, 1e+300]'),
        ({'images': []}, '0 images, needs 2'),
        (
            {'images': [Image(height=2, width=2, encoding='rgb8', step=6, data=[0] * 12)] * 2},
            '2×2',
        ),
        ({'images': [Image(encoding='thermal')] * 2}, 'thermal'),
    ],
)
def test_an_observation_that_does_not_fit_is_named_and_the_next_one_used(bench, change, reason):
    test = bench().start()
    test.send(**change)
    test.until(lambda: reason in last_refusal(test))
    test.chunk()
    assert len(test.chunks) == 1


@pytest.mark.parametrize(
    ('offset', 'reason'),
    [(None, 'stamp 0 ns'), (-40.0, 'max_observation_age'), (1.0, 'in the future')],
)
def test_a_wrong_stamp_is_named_and_the_next_one_used(bench, offset, reason):
    test = bench().start()
    stamp_ns = 0 if offset is None else test.now_ns() + int(offset * 1e9)
    test.send(observation_msg(stamp_ns))
    test.until(lambda: reason in last_refusal(test))
    test.chunk()
    assert len(test.chunks) == 1


def diagnostics(test):
    return {key: str(value) for key, value in test.policy._report()[2].items()}


def last_refusal(test):
    return diagnostics(test)['last_refusal']


def test_joints_and_images_may_come_in_another_order(bench):
    test = bench().start()
    plain = positions(test.chunk())
    test.call('policy/reset')
    message = observation_msg(test.now_ns())
    values = np.array(message.joint_positions).reshape(2, 7)
    names = [*reversed(message.joint_names), 'fr3_finger_joint1']
    values = np.concatenate([values[:, ::-1], np.ones((2, 1))], axis=1)
    mixed = test.chunk(message, joint_names=names, joint_positions=values.ravel().tolist())
    np.testing.assert_array_equal(positions(mixed), plain)


def test_markers_show_the_chunk_the_fan_and_the_denoising(bench):
    test = bench(n_samples=4, show_denoising=True).start()
    test.chunk()
    test.chunk()
    test.until(lambda: len(test.markers) >= 2)
    shown = [m for m in test.markers[-1].markers if m.action == Marker.ADD]
    assert {m.header.frame_id for m in shown} == {'base'}
    counts = {ns: sum(m.ns == ns for m in shown) for ns in {m.ns for m in shown}}
    one = dict.fromkeys(('executed', 'previous', 'committed', 'rest', 'points'), 1)
    assert counts == one | {'fan': 4, 'denoising': 11}
    (previous,) = (m.points for m in shown if m.ns == 'previous')
    assert previous == next(m.points for m in test.markers[-2].markers if m.ns == 'points')
    assert len({(m.ns, m.id) for m in shown}) == len(shown)
    committed = next(m for m in shown if m.ns == 'committed')
    assert len(committed.points) == tiny_policy.CONFIG.n_action_steps + 1


def test_markers_of_another_arm_are_the_path_of_the_tool_that_is_described(bench, tmp_path):
    config = tiny_policy.changed(joints=SIX_JOINTS)
    tiny_policy.checkpoint(tmp_path, joints=SIX_JOINTS)
    test = bench(checkpoint=str(tmp_path)).start()
    test.chunk(observation_msg(test.now_ns(), config=config))
    assert test.policy._arm.model is None and test.markers == []
    description = test.node.create_publisher(
        String,
        'robot_description',
        QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    )
    description.publish(String(data=six()))
    test.until(lambda: test.policy._arm.model is not None)
    chunk = test.chunk(observation_msg(test.now_ns(), config=config))
    test.until(lambda: test.markers)
    (points,) = (m.points for m in test.markers[-1].markers if m.ns == 'points')
    tcp = read_tcp(six(), SIX_JOINTS, 'base', 'tool0')
    expected = tcp.position(positions(chunk))
    np.testing.assert_allclose([[p.x, p.y, p.z] for p in points], expected, atol=1e-9)


def test_markers_that_are_no_longer_wanted_are_deleted(bench):
    test = bench(n_samples=4).start()
    test.chunk()
    test.until(lambda: test.markers)
    test.set('n_samples', 1)
    test.chunk()
    test.until(lambda: len(test.markers) >= 2)
    gone = [(m.ns, m.id) for m in test.markers[-1].markers if m.action == Marker.DELETE]
    assert gone == [('fan', k) for k in range(4)]


def test_deactivate_stops_publishing_and_activate_goes_on(bench):
    test = bench().start()
    test.chunk()
    assert test.policy.trigger_deactivate() == SUCCESS
    test.send()
    test.spin(0.3)
    assert len(test.chunks) == 1
    assert test.policy.trigger_activate() == SUCCESS
    test.chunk()
    assert test.statuses[-1].chunk_id == 1
    assert test.policy.trigger_deactivate() == SUCCESS
    assert test.policy.trigger_cleanup() == SUCCESS
    test.start().chunk()


def denoising(test):
    """Have the worker begin a chunk, and return what lets it go on."""
    entered, leave = threading.Event(), threading.Event()
    encode = test.policy._policy.encode

    def slow(observation):
        entered.set()
        leave.wait(DEADLINE)
        return encode(observation)

    test.policy._policy.encode = slow
    test.send()
    test.until(entered.is_set)
    return leave


def test_a_chunk_that_is_being_denoised_is_dropped_by_deactivate(bench):
    test = bench().start()
    leave = denoising(test)
    test.policy.trigger_deactivate()
    leave.set()
    test.spin(0.3)
    assert test.chunks == []


def test_a_node_that_is_destroyed_waits_for_its_worker_which_publishes_nothing_more(bench):
    test = bench().start()
    leave = denoising(test)
    threading.Timer(0.3, leave.set).start()
    test.executor.remove_node(test.policy)
    test.policy.destroy_node()
    assert test.policy._job.done()
    assert test.policy._job.exception() is None
    test.spin(0.3)
    assert test.chunks == []


def test_an_error_in_the_worker_is_logged_and_the_next_chunk_comes(bench, monkeypatch):
    test = bench().start()
    encode = test.policy._policy.encode
    failed = threading.Event()

    def broken(observation):
        failed.set()
        raise RuntimeError('broken network')

    test.policy._policy.encode = broken
    test.send()
    test.until(failed.is_set)
    test.policy._policy.encode = encode
    test.chunk()


def test_silence_is_reported_with_the_topic(bench, monkeypatch):
    test = bench()
    warned = []
    monkeypatch.setattr(
        type(test.policy.get_logger()), 'warning', lambda _, m, **options: warned.append(m)
    )
    test.start()
    test.until(lambda: warned)
    assert 'no observation on /observation' in warned[0]


def test_autostart_brings_the_node_up_by_itself(bench):
    test = bench(autostart=True)
    test.until(lambda: test.policy._active)
    test.until(lambda: test.sender.get_subscription_count() == 1)
    test.chunk()


def test_a_regression_policy_answers_alike_and_draws_no_fan(bench, tmp_path):
    test = bench(tiny_policy.checkpoint(tmp_path, method='regression'), n_samples=4).start()
    chunks = [positions(test.chunk()) for _ in range(2)]
    np.testing.assert_array_equal(*chunks)
    status = test.statuses[-1]
    assert (status.sampler, status.num_inference_steps) == ('regression', 1)
    test.until(lambda: test.markers)
    assert 'fan' not in {marker.ns for marker in test.markers[-1].markers}
