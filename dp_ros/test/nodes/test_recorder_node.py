# SPDX-License-Identifier: Apache-2.0
"""The demo_recorder in one process: whole episodes, and what it says when there is none."""

from contextlib import ExitStack, closing
import errno
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from dp_ros.data.bags.storage import bag_info
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.nodes.demo_recorder.node import DemoRecorderNode
from dp_ros.nodes.demo_recorder.parameters import PARAMETERS, recorded
from dp_ros.task.task import Camera, Task, Topics, first_difference
from dp_ros.task.task_file import task_text
from dp_ros_msgs.msg import EpisodeStatus
from dp_ros_msgs.srv import StartEpisode, StopEpisode
from geometry_msgs.msg import PoseStamped, TransformStamped
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from trajectory_msgs.msg import JointTrajectory

FRONT, COMMAND = 'camera/front/image_raw', 'fr3_arm_controller/joint_trajectory'
SERVICES = {'start': StartEpisode, 'stop': StopEpisode, 'discard': Trigger}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PLAIN = QoSProfile(depth=50)


TASK = Task(joints=('a',), name='reach', cameras={'front': Camera((16, 24))})


class Bench:
    """The recorder, and one that sends and calls."""

    def __init__(self, context, **parameters):
        values = {'max_silence': 20.0, 'min_free_space': 0, 'warn_free_space': 0}
        overrides = [Parameter(k, value=v) for k, v in (values | parameters).items()]
        self.node = Node('bench', context=context)
        self.images = self.node.create_publisher(Image, FRONT, PLAIN)
        self.joints = self.node.create_publisher(JointState, 'joint_states', PLAIN)
        self.goals = self.node.create_publisher(PoseStamped, 'goal', LATCHED)
        self.recorder = DemoRecorderNode(context=context, parameter_overrides=overrides)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.recorder)
        self.executor.add_node(self.node)
        self.reports = []
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, PLAIN)
        self.clients = {
            name: self.node.create_client(kind, f'demo_recorder/{name}')
            for name, kind in (
                ('start', StartEpisode),
                ('stop', StopEpisode),
                ('discard', Trigger),
            )
        }
        self.until(lambda: all(c.service_is_ready() for c in self.clients.values()))

    def close(self):
        self.recorder.destroy_node()
        self.node.destroy_node()

    def _on_report(self, array):
        self.reports += [s for s in array.status if s.name == '/demo_recorder']

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, 'nothing came in time'
            self.executor.spin_once(timeout_sec=0.02)

    def ready(self):
        """Send until the recorder hears all that it requires."""
        topics = self.recorder._topics
        self.until(lambda: self.send() or all(t.last_ns for t in self._required(topics)))
        return self

    def _required(self, topics):
        return [topics.topics[name] for name in (FRONT, 'joint_states')]

    def send(self):
        self.images.publish(Image(height=1, width=1, encoding='mono8', step=1, data=[7]))
        self.joints.publish(JointState(name=['a'], position=[0.5]))

    def call(self, name, request=None):
        future = self.clients[name].call_async(request or SERVICES[name].Request())
        self.until(future.done)
        return future.result()

    def recorded(self, number):
        """Send until the open episode has so many messages."""
        self.until(lambda: self.send() or sum(self.recorder._episode.counts.values()) >= number)


@pytest.fixture
def make(tmp_path, ros_context):
    with ExitStack() as stack:

        def make_bench(task=TASK, **parameters):
            values = {'directory': str(tmp_path / 'out')} | parameters
            if task is not None:
                (tmp_path / 'task.yaml').write_text(task_text(task))
                values['task'] = str(tmp_path / 'task.yaml')
            return stack.enter_context(closing(Bench(ros_context, **values)))

        yield make_bench


def messages(path):
    with AnyReader([path]) as reader:
        return [
            (c.topic, t, reader.deserialize(raw, c.msgtype)) for c, t, raw in reader.messages()
        ]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_an_episode(make, tmp_path, storage):
    bench = make(storage=storage).ready()
    request = StartEpisode.Request(task='reach', keys=['seed'], values=['4'])
    started = bench.call('start', request)
    assert (started.success, started.episode) == (True, 'episode_000000')
    bench.recorded(20)
    stopped = bench.call('stop', StopEpisode.Request(succeeded=True, note='good'))
    path = tmp_path / 'out' / 'episode_000000'
    assert (stopped.success, stopped.path) == (True, str(path))
    found = messages(path)
    assert {topic for topic, _, _ in found} == {f'/{FRONT}', '/joint_states'}
    assert found[0][2].__msgtype__ == 'sensor_msgs/msg/Image' and list(found[0][2].data) == [7]
    info = bag_info(path)
    assert (info['task'], info['seed'], info['note']) == ('reach', '4', 'good')
    assert (info['succeeded'], info['messages_lost']) == ('true', '0')
    assert int(info['start_ns']) <= found[0][1]


def test_own_messages_and_commands_are_readable_anywhere(make, tmp_path):
    bench = make().ready()
    statuses = bench.node.create_publisher(EpisodeStatus, 'episode/status', PLAIN)
    commands = bench.node.create_publisher(JointTrajectory, COMMAND, PLAIN)
    bench.until(lambda: statuses.get_subscription_count() and commands.get_subscription_count())
    bench.call('start')
    statuses.publish(EpisodeStatus(side='left', seed=9))
    commands.publish(JointTrajectory(joint_names=['a']))
    bench.recorded(20)
    path = bench.call('stop').path
    found = {topic: message for topic, _, message in messages(tmp_path / 'out' / path)}
    assert found['/episode/status'].side == 'left' and found['/episode/status'].seed == 9
    assert found[f'/{COMMAND}'].joint_names == ['a']


def test_latched_topics_are_in_every_bag(make, tmp_path):
    bench = make()
    frames = [bench.node.create_publisher(TFMessage, '/tf_static', LATCHED) for _ in range(2)]
    for index, publisher in enumerate(frames):
        publisher.publish(TFMessage(transforms=[TransformStamped(child_frame_id=f'f{index}')]))
    for frame_id in ('old', 'new'):
        goal = PoseStamped()
        goal.header.frame_id = frame_id
        bench.goals.publish(goal)
    bench.ready()
    bench.until(lambda: bench.recorder._topics.topics['goal'].latched)
    bench.until(lambda: len(bench.recorder._topics.topics['/tf_static']._frames) == 2)
    for _ in range(2):
        bench.call('start')
        path = bench.call('stop').path
        found = {topic: message for topic, _, message in messages(tmp_path / path)}
        assert found['/goal'].header.frame_id == 'new'
        assert {t.child_frame_id for t in found['/tf_static'].transforms} == {'f0', 'f1'}


def test_a_discarded_episode_leaves_nothing(make, tmp_path):
    bench = make().ready()
    bench.call('start')
    bench.recorded(5)
    answer = bench.call('discard')
    assert (answer.success, answer.message) == (True, 'episode_000000 discarded')
    bench.ready()
    assert bench.call('start').episode == 'episode_000000'
    assert not list((tmp_path / 'out').glob('episode_*'))


def test_no_start_without_the_streams(make):
    bench = make()
    bench.until(lambda: bench.joints.get_subscription_count())
    answer = bench.call('start')
    assert not answer.success
    assert answer.message == f'nothing came on /{FRONT} yet; nothing came on /joint_states yet'
    bench.node.destroy_publisher(bench.images)
    bench.until(lambda: bench.recorder.count_publishers(FRONT) == 0)
    assert f'/{FRONT} has no publisher' in bench.call('start').message


@pytest.mark.parametrize('name', ['stop', 'discard'])
def test_nothing_to_end(make, name):
    answer = make().call(name)
    assert (answer.success, answer.message) == (False, 'no episode is open')


def test_a_second_start(make):
    bench = make().ready()
    bench.call('start')
    answer = bench.call('start')
    assert answer.message == 'episode_000000 is open; stop or discard it first'


def test_keys_without_values(make):
    request = StartEpisode.Request(keys=['a', 'b'], values=['1'])
    assert make().ready().call('start', request).message == '2 keys, 1 values'


def test_a_stream_that_stops_ends_the_episode(make, tmp_path):
    bench = make(max_silence=0.5)
    bench.until(lambda: bench.send() or bench.call('start').success)
    bench.until(lambda: bench.joints.publish(JointState()) or bench.recorder._episode is None)
    answer = bench.call('stop')
    assert not answer.success
    assert answer.message.startswith(f'episode_000000 is lost: nothing came on /{FRONT} for ')
    assert not list((tmp_path / 'out' / '.open').iterdir())
    bench.until(lambda: any(r.level == DiagnosticStatus.ERROR for r in bench.reports))
    assert bench.reports[-1].message == answer.message
    bench.until(lambda: bench.send() or bench.call('start').success)


def test_a_full_disk_ends_the_episode(make, monkeypatch):
    bench = make().ready()
    bench.call('start')

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(bench.recorder._episode._writer.storage, 'write', full)
    bench.until(lambda: bench.send() or bench.recorder._episode is None)
    message = bench.call('stop').message
    assert 'episode_000000 is lost' in message and 'No space left on device' in message


def test_little_space_left(make, monkeypatch):
    bench = make(min_free_space=100).ready()
    assert bench.call('start').success
    monkeypatch.setattr(bench.recorder._folder, 'free_bytes', lambda: 99e6)
    bench.until(lambda: bench.send() or bench.recorder._episode is None)
    expected = f'99 MB free on the disk of {bench.recorder._folder.folder}: needs 100'
    assert expected in bench.call('stop').message
    bench.ready()
    assert bench.call('start').message == expected


def test_a_disk_that_is_nearly_full_is_warned_of(make, monkeypatch):
    bench = make(warn_free_space=1000).ready()
    monkeypatch.setattr(bench.recorder._folder, 'free_bytes', lambda: 999e6)
    answer = bench.call('start')
    assert answer.success
    assert answer.message.startswith('999 MB free on the disk of') and '1000' in answer.message


def test_a_stream_that_is_slow_is_warned_of_and_named_at_the_end(make):
    bench = make(min_rates=[1e5, 0.0]).ready()
    bench.call('start')
    bench.until(lambda: bench.send() or bench.recorder._slow)
    bench.until(lambda: any(r.level == DiagnosticStatus.WARN for r in bench.reports))
    message = bench.call('stop', StopEpisode.Request(succeeded=True)).message
    assert f'/{FRONT} comes at ' in message and 'less than 100000' in message
    assert '/joint_states comes' not in message


def test_episodes_and_successes_are_counted_over_restarts(make):
    bench = make().ready()
    for succeeded in (True, False):
        bench.call('start')
        answer = bench.call('stop', StopEpisode.Request(succeeded=succeeded))
    assert '; 1 of 2 episodes succeeded' in answer.message
    bench.executor.remove_node(bench.recorder)
    bench.recorder.destroy_node()
    again = make().ready()
    again.call('start')
    answer = again.call('stop', StopEpisode.Request(succeeded=True))
    assert '; 2 of 3 episodes succeeded' in answer.message


def test_what_a_killed_recorder_left_is_set_aside(make, tmp_path, capfd):
    left = tmp_path / 'out' / '.open' / 'episode_000003'
    left.mkdir(parents=True)
    (left / 'episode_000003.mcap').write_bytes(b'half')
    bench = make().ready()
    assert 'episode_000003 was open when the recorder ended: lost' in capfd.readouterr().err
    assert (tmp_path / 'out' / '.lost' / 'episode_000003' / 'episode_000003.mcap').exists()
    assert bench.call('start').success


def test_the_end_of_the_node_is_not_the_end_of_an_episode(make, tmp_path):
    bench = make().ready()
    bench.call('start')
    bench.executor.remove_node(bench.recorder)
    bench.recorder.destroy_node()
    assert not list((tmp_path / 'out').glob('episode_*'))
    assert not list((tmp_path / 'out' / '.open').iterdir())


def test_parameters_that_contradict_each_other(make, tmp_path):
    with pytest.raises(ValueError, match='required_topics'):
        make(required_topics=['depth'])
    with pytest.raises(ValueError, match='min_rates'):
        make(min_rates=[1.0])
    with pytest.raises(ValueError, match="compressed_cameras: \\['wrist'\\]: the task has"):
        make(compressed_cameras=['wrist'])
    with pytest.raises(ValueError, match='storage'):
        make(storage='rosbag1')
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='parameter directory'):
        make(directory=str(tmp_path / 'file' / 'below'))


def test_what_arrived_before_the_stop_is_in_the_bag_and_not_what_came_before_the_start(make):
    bench = make().ready()
    for _ in range(100):
        bench.joints.publish(JointState(name=['before']))
    bench.call('start')
    bench.images.publish(Image())
    for _ in range(100):
        bench.joints.publish(JointState(name=['within']))
    found = messages(Path(bench.call('stop').path))
    names = [message.name[0] for topic, _, message in found if topic == '/joint_states']
    assert names == ['within'] * 100


def test_a_bag_keeps_the_task_whole(make, tmp_path):
    task = Task(
        joints=('a', 'b'),
        name='stack',
        gripper_joints=('finger',),
        observations=('joint_positions', 'commanded_positions'),
        cameras={'front': Camera((16, 24), crop=(1, 2, 32, 48), tolerance=0.01, latency=0.02)},
        dt=0.05,
        topics=Topics(commands='my_arm/joint_trajectory'),
    )
    bench = make(task=task).ready()
    assert bench.call('start').success
    path = Path(bench.call('stop').path)
    assert first_difference(recorded_task([path]), task) is None


def test_without_a_task_only_topics_are_recorded_and_none_is_kept(make):
    bench = make(task=None, topics=['joint_states'], required_topics=['joint_states'])
    topics = bench.recorder._topics.topics
    bench.until(lambda: bench.send() or topics['joint_states'].last_ns)
    assert bench.call('start').success
    bench.recorded(5)
    path = Path(bench.call('stop').path)
    assert {topic for topic, *_ in messages(path)} == {'/joint_states'}
    assert recorded_task([path]) is None


def test_the_task_says_what_is_recorded_and_how_fast_it_has_to_come():
    task = Task(
        joints=('a',),
        cameras={'front': Camera((16, 24)), 'wrist': Camera((16, 24), 'hand/image')},
        dt=0.05,
        max_joint_gap=0.02,
        topics=Topics('arm/joint_states', 'arm/joint_trajectory', 'hand/target'),
    )
    defaults = PARAMETERS.defaults()
    found = recorded(defaults | {'compressed_cameras': ['wrist']}, task)
    needed = ('camera/front/image_raw', 'hand/image/compressed', 'arm/joint_states')
    commands = ('arm/joint_trajectory', 'hand/target')
    assert found.topics == (*needed, *commands, *defaults['topics'])
    assert found.required == needed
    assert found.min_rates == pytest.approx((16.0, 16.0, 250.0))
    named = {'required_topics': ['goal', 'arm/joint_states']}
    assert recorded(defaults | named, task).min_rates == ()
    assert recorded(defaults | named | {'min_rates': [1.0, 2.0]}, task).min_rates == (1.0, 2.0)
    with pytest.raises(ValueError, match='nothing to record'):
        recorded(defaults | {'topics': []}, None)


def test_a_slow_camera_of_the_task_is_warned_of(make):
    task = Task(joints=('a',), cameras={'front': Camera((16, 24))}, dt=0.001, max_joint_gap=10.0)
    bench = make(task=task).ready()
    bench.call('start')
    bench.node.create_timer(0.02, bench.send)
    bench.until(lambda: bench.recorder._slow)
    message = bench.call('stop', StopEpisode.Request(succeeded=True)).message
    assert f'/{FRONT} comes at ' in message and 'less than 800' in message


@pytest.mark.parametrize('text', ['{joints: [a], dt: 0.0}', '- a', '{joints: [a], dtt: 0.1}'])
def test_a_task_file_that_makes_no_sense_is_refused_at_start(ros_context, tmp_path, text):
    file = tmp_path / 'odd.yaml'
    file.write_text(text)
    with pytest.raises(ValueError, match=r'odd\.yaml'):
        DemoRecorderNode(
            context=ros_context, parameter_overrides=[Parameter('task', value=str(file))]
        )
