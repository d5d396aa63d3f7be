# SPDX-License-Identifier: Apache-2.0
"""The teleop node with the executor, in one process: inputs, refusals, episodes, the gripper."""

from contextlib import ExitStack, closing
import math
import time

from dp_ros.control.teleop.keys import N_BUTTONS
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.nodes.teleop import buttons as teleop_buttons
from dp_ros.nodes.teleop.node import TeleopNode
from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES, forward
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import ns_to_time, trajectory_from_msg
from dp_ros.task.task import Task
from dp_ros_msgs.srv import StartEpisode, StopEpisode
from geometry_msgs.msg import TwistStamped
import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

JOINTS = list(JOINT_NAMES)
FINGERS = list(FINGER_NAMES)
HOME = np.array([0.0, -0.78, 0.0, -2.36, 0.0, 1.57, 0.78])
COMMANDS = 'fr3_arm_controller/joint_trajectory'
QOS = QoSProfile(depth=50)
CALM = {
    'execute': True,
    'joint_state_timeout': 3.0,
    'max_lead_time': 0.5,
    'check_robot': False,
}


def parameters(values):
    return [Parameter(name, value=value) for name, value in values.items()]


class Bench:
    """Teleop, executor, and one node that plays person, arm, controller and recorder."""

    def __init__(self, context, fingers=(), **values):
        fingers = {'gripper_joint_names': list(fingers)} if fingers else {}
        # A busy machine is not a person who has let go.
        values = {'input_timeout': 1.0} | fingers | values
        self.teleop = TeleopNode(context=context, parameter_overrides=parameters(values))
        self.follower = ExecutorNode(
            context=context, parameter_overrides=parameters(CALM | fingers)
        )
        self.teleop._core.config = self._calm(self.teleop._core.config)
        self.node = Node('bench', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        for node in (self.teleop, self.follower, self.node):
            self.executor.add_node(node)
        self.said, self.called, self.targets = [], [], []
        self.reference = TrajectoryReference(JOINTS, HOME)
        self.input = None
        self.joints_age_ns = 0
        self._connect()
        self.until(lambda: self.teleop._executor is not None)
        self.until(lambda: self.teleop._forbidden(self.now_ns()) == '')

    def _calm(self, config):
        return type(config)(**{**vars(config), 'joint_state_timeout': 3.0})

    def _connect(self):
        node = self.node
        node.create_subscription(JointTrajectory, COMMANDS, self._on_command, QOS)
        node.create_subscription(JointTrajectory, 'gripper/target', self.targets.append, QOS)
        node.create_subscription(String, 'teleop/status', self._on_said, QOS)
        self.joy_out = node.create_publisher(Joy, 'joy', QOS)
        self.twist_out = node.create_publisher(TwistStamped, 'teleop/twist', QOS)
        self.leader_out = node.create_publisher(JointState, 'teleop/leader', QOS)
        self.joints_out = node.create_publisher(JointState, 'joint_states', QOS)
        for kind, name in (
            (StartEpisode, 'demo_recorder/start'),
            (StopEpisode, 'demo_recorder/stop'),
            (Trigger, 'demo_recorder/discard'),
        ):
            node.create_service(kind, name, self._serve)
        outs = (self.joy_out, self.twist_out, self.leader_out, self.joints_out)
        self.until(lambda: all(out.get_subscription_count() for out in outs))
        self.until(lambda: node.count_publishers(COMMANDS))
        self.until(lambda: self.teleop._buttons._start.service_is_ready())
        node.create_timer(0.02, self._publish)

    def _on_command(self, message):
        self.reference.accept(trajectory_from_msg(message), self.now_ns())

    def _on_said(self, message):
        self.said.append(message.data)

    def _serve(self, request, response):
        self.called.append(request)
        response.success, response.message = True, '3 of 4 episodes succeeded'
        if isinstance(request, StartEpisode.Request):
            response.episode, response.message = 'episode_000007', ''
        return response

    def _publish(self):
        message = JointState(name=JOINTS, position=self.position().tolist())
        message.header.stamp = ns_to_time(self.now_ns() - self.joints_age_ns)
        self.joints_out.publish(message)
        if self.input is not None:
            self.input()

    def now_ns(self):
        return self.teleop.get_clock().now().nanoseconds

    def position(self):
        return self.reference.sample(np.array([self.now_ns()]))[0][0]

    def moved(self):
        return forward(self.position()) - forward(HOME)

    def fingers(self):
        """Return the gripper's joints and where they were last asked to be."""
        if not self.targets:
            return None
        return self.targets[-1].joint_names, list(self.targets[-1].points[-1].positions)

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, (self.said, self.position().round(3).tolist())
            self.executor.spin_once(timeout_sec=0.02)

    def until_said(self, text):
        self.until(lambda: any(text in line for line in self.said))

    def close(self):
        for node in (self.teleop, self.follower, self.node):
            node.destroy_node()

    def rests(self):
        """Wait until the arm is at rest, and give that position again."""
        self.until(lambda: self.now_ns() > self.reference.end_ns + NS // 2)
        return self.position()

    def joy(self, axes=(0.0,) * 6, pressed=()):
        buttons = [int(k in pressed) for k in range(N_BUTTONS)]
        self.joy_out.publish(Joy(axes=axes, buttons=buttons))

    def press(self, button):
        self.joy()
        self.joy(pressed=(button,))
        self.joy()

    def twist(self, linear_x=0.0, frame_id='', age=0.0):
        message = TwistStamped()
        message.header.frame_id = frame_id
        message.header.stamp = ns_to_time(self.now_ns() - round(age * NS))
        message.twist.linear.x = linear_x
        self.twist_out.publish(message)

    def leader(self, positions):
        self.leader_out.publish(JointState(name=JOINTS, position=list(positions)))

    def send(self, publish):
        """Publish an input again and again from now on."""
        self.input = publish


@pytest.fixture
def make(ros_context):
    with ExitStack() as stack:
        yield lambda *args, **given: stack.enter_context(
            closing(Bench(ros_context, *args, **given))
        )


def test_a_gamepad_moves_the_arm_while_its_button_is_held(make):
    bench = make()
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0)))
    bench.until(lambda: bench.teleop._core.reason == '')
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0), pressed=(9,)))
    bench.until(lambda: bench.moved()[0] > 0.05)
    assert np.abs(bench.moved()[1:]).max() < 0.01
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0)))
    rest = bench.rests()
    bench.until(lambda: bench.now_ns() > bench.reference.end_ns + NS)
    np.testing.assert_array_equal(bench.position(), rest)


def test_a_gamepad_that_falls_silent_while_its_button_is_held_stops_the_arm(make):
    bench = make()
    bench.send(bench.joy)
    bench.until(lambda: bench.teleop._core.reason == '')
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0), pressed=(9,)))
    bench.until(lambda: bench.moved()[0] > 0.02)
    bench.send(None)
    bench.rests()


def test_a_twist_moves_the_arm_and_one_that_is_not_finite_stops_it(make):
    bench = make(device='twist')
    bench.send(bench.twist)
    bench.until(lambda: bench.teleop._core.reason == '')
    bench.send(lambda: bench.twist(0.1, frame_id='base'))
    bench.until(lambda: bench.moved()[0] > 0.03)
    bench.send(lambda: bench.twist(math.nan))
    bench.until_said('velocity that is not finite')
    bench.rests()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'frame_id': 'camera'}, "twist in frame 'camera': needs 'base' or 'fr3_hand_tcp'"),
        ({'age': 5.0}, 's ago: are clocks synchronized?'),
    ],
)
def test_a_twist_that_cannot_be_followed_is_refused(make, changes, message):
    bench = make(device='twist')
    bench.send(lambda: bench.twist(0.1, **changes))
    bench.until_said(message)
    np.testing.assert_array_equal(bench.position(), HOME)


def test_joints_of_a_hand_in_messages_of_their_own_are_passed_over(make):
    bench = make(device='twist')
    bench.until(lambda: bench.teleop._is_heard)

    sent = []

    def send():
        bench.joints_out.publish(JointState(name=FINGERS, position=[0.02, 0.02]))
        sent.append(bench.now_ns())

    bench.send(send)
    bench.until(lambda: len(sent) > 20)
    assert not any('joint_states' in line for line in bench.said)


def test_joint_states_of_another_clock_are_named_and_nothing_moves(make):
    bench = make(device='twist')
    bench.joints_age_ns = 20 * NS
    bench.send(lambda: bench.twist(0.1))
    bench.until_said('joint_states is stamped 20.')
    assert any('Beside a simulation use_sim_time has to be true' in line for line in bench.said)
    np.testing.assert_array_equal(bench.position(), HOME)


def test_a_leader_far_off_is_refused_and_one_nearer_is_approached(make):
    bench = make(device='leader')
    bench.send(lambda: bench.leader(HOME + [1.2, 0, 0, 0, 0, 0, 0]))
    bench.until_said('fr3_joint1 is 1.20 rad from the arm, more than 0.8 rad')
    np.testing.assert_array_equal(bench.position(), HOME)
    bench.send(lambda: bench.leader(HOME + [0.2, 0, 0, 0, 0, 0, 0]))
    bench.until_said('approaching the leader slowly: fr3_joint1 is 0.')
    bench.until(lambda: abs(bench.position()[0] - 0.2) < 0.01)


def test_a_button_that_is_not_there_is_named_and_nothing_moves(make):
    bench = make(discard_button=40)
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0), pressed=(9,)))
    bench.until_said('joy has no button 40, it has 21 of them: set discard_button')
    np.testing.assert_array_equal(bench.position(), HOME)


def test_a_paused_executor_is_named_and_resumed_by_a_button(make):
    bench = make()
    bench.send(bench.joy)
    bench.until(lambda: bench.teleop._core.reason == '')
    pause = bench.node.create_client(Trigger, 'executor/pause')
    bench.until(pause.service_is_ready)
    bench.until(pause.call_async(Trigger.Request()).done)
    bench.until(lambda: bench.teleop._forbidden(bench.now_ns()))
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0), pressed=(9,)))
    bench.until_said('the arm does not move: the executor does not follow (executor: paused)')
    np.testing.assert_array_equal(bench.position(), HOME)
    bench.send(None)
    bench.press(7)
    bench.until_said('executor: waiting for a chunk')


def test_a_button_brings_the_arm_to_the_start_or_says_why_not(make):
    bench = make()
    bench.press(2)
    bench.until_said('executor: no start pose is known: write start_positions into the task file')
    start = HOME + [0.1, 0, 0, 0, 0, 0, 0]
    bench.follower._file_task = Task(joints=JOINT_NAMES, start_positions=start.tolist())
    bench.said.clear()
    bench.press(2)
    bench.until_said('executor: going to the start pose: fr3_joint1 by 0.10 rad')
    bench.until(lambda: np.abs(bench.position() - start).max() < 0.01)


def test_without_an_executor_it_is_missed(make):
    bench = make()
    bench.executor.remove_node(bench.follower)
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0), pressed=(9,)))
    bench.until_said('nothing on executor/status: is the executor running?')


def test_buttons_start_keep_and_discard_episodes(make):
    bench = make(instruction='stack')
    for button, said in (
        (6, 'recording episode_000007'),
        (3, 'episode_000007 kept as a success: 0.0 s, 3 of 4 episodes succeeded'),
        (6, 'recording episode_000007'),
        (1, 'episode_000007 kept as a failure'),
        (4, '3 of 4 episodes succeeded'),
    ):
        bench.said.clear()
        bench.press(button)
        bench.until_said(said)
    assert [type(request).__qualname__.split('_')[0] for request in bench.called] == [
        'StartEpisode',
        'StopEpisode',
        'StartEpisode',
        'StopEpisode',
        'Trigger',
    ]
    assert bench.called[0].task == 'stack'
    assert [bench.called[k].succeeded for k in (1, 3)] == [True, False]


def test_a_recorder_that_never_answers_does_not_block_the_next_button(make, monkeypatch):
    bench = make()
    monkeypatch.setattr(bench.teleop._buttons._start, 'call_async', lambda request: Future())
    bench.press(6)
    bench.until(lambda: bench.teleop._buttons._pending is not None)
    bench.press(4)
    bench.until_said('the last button has not been answered yet')
    monkeypatch.setattr(teleop_buttons, '_PATIENCE_NS', 0)
    bench.press(4)
    bench.until_said('3 of 4 episodes succeeded')


def test_one_button_may_start_and_keep(make):
    bench = make(device='guiding', start_button=0, success_button=0, gripper_button=-1)
    bench.press(0)
    bench.until_said('recording episode_000007')
    bench.press(0)
    bench.until_said('episode_000007 kept as a success')


def test_hands_that_guide_the_arm_command_nothing(make):
    bench = make(device='guiding')
    bench.send(lambda: bench.joy((0, 1.0, 0, 0, 0, 0), pressed=(9,)))
    bench.press(6)
    bench.until_said('recording episode_000007')
    assert bench.reference.trajectory_id == 0


def test_a_button_closes_and_opens_the_gripper(make):
    bench = make(fingers=FINGERS)
    for position in (0.0, 0.04):
        bench.press(0)
        expected = FINGERS, [position] * 2
        bench.until(lambda expected=expected: bench.fingers() == expected)
    np.testing.assert_allclose(bench.position(), HOME, atol=1e-6)


def test_without_a_gripper_its_button_says_so(make):
    bench = make()
    bench.press(0)
    bench.until_said('no gripper: set gripper_joint_names')


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'linear_axes': [1]}, 'linear_axes'),
        ({'leader_gripper_range': [0.1, 0.1]}, 'two different positions'),
        ({'input_timeout': 0.05}, 'at least two periods'),
        ({'device': 'mouse'}, 'device'),
    ],
)
def test_parameters_that_cannot_be_are_refused(ros_context, values, reason):
    with pytest.raises(ValueError, match=reason):
        TeleopNode(context=ros_context, parameter_overrides=parameters(values))
