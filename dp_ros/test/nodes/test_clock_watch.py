# SPDX-License-Identifier: Apache-2.0
"""A system clock that is set back stops the arm, and does not stop the watch over it."""

from contextlib import closing, contextmanager
import time

from dp_ros.nodes.demo_recorder.node import DemoRecorderNode
from dp_ros.nodes.episode_runner.node import EpisodeRunnerNode
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.nodes.fake_gripper.node import FakeGripperNode
from dp_ros.nodes.franka_sim.node import FrankaSimNode
from dp_ros.nodes.gripper.node import GripperNode
from dp_ros.nodes.observation_aggregator.node import ObservationAggregatorNode
from dp_ros.nodes.policy.node import PolicyNode
from dp_ros.nodes.teleop.node import TeleopNode
from dp_ros.nodes.teleop_keyboard.node import TeleopKeyboardNode
from dp_ros.ros.clock_watch import ClockWatch
from dp_ros.ros.conversions import ns_to_duration, ns_to_time
from dp_ros_msgs.msg import ExecutorStatus
from fake_robot import Bench, FakeRobot
import pytest
from rclpy.clock_type import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

HOUR = 3600 * 10**9
NODES = {
    ExecutorNode: {'autostart': False},
    PolicyNode: {'autostart': False},
    ObservationAggregatorNode: {},
    TeleopNode: {},
    TeleopKeyboardNode: {},
    GripperNode: {},
    FakeGripperNode: {},
    FrankaSimNode: {'camera_names': ['front'], 'camera_height': 16, 'camera_width': 16},
    EpisodeRunnerNode: {},
}


class SetBack:
    """A node's clock, some nanoseconds behind."""

    def __init__(self, node, behind_ns=HOUR):
        self._clock, self._behind_ns = node.get_clock(), behind_ns

    def __getattr__(self, name):
        return getattr(self._clock, name)

    def now(self):
        return Time(nanoseconds=self._clock.now().nanoseconds - self._behind_ns)


@pytest.fixture
def node(ros_context):
    node = Node('watching', context=ros_context)
    yield node
    node.destroy_node()


def test_it_tells_by_how_much_the_clock_was_set_back_once(node, monkeypatch, spin_until):
    told, ticks = [], []
    ClockWatch(node, told.append)
    node.create_timer(0.05, lambda: ticks.append(1))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    spin_until(executor, lambda: len(ticks) > 3, timeout=30)
    assert told == []
    behind = SetBack(node)
    monkeypatch.setattr(node, 'get_clock', lambda: behind)
    ticks.clear()
    spin_until(executor, lambda: told and len(ticks) > 3, timeout=30)
    assert told == [pytest.approx(3600, abs=30)]


def test_timers_begin_anew_but_for_those_that_were_cancelled(node, monkeypatch):
    watch = ClockWatch(node, lambda _: None)
    timer, cancelled = (node.create_timer(1000.0, lambda: None) for _ in range(2))
    cancelled.cancel()
    time.sleep(0.01)
    left = timer.time_until_next_call()
    behind = SetBack(node)
    monkeypatch.setattr(node, 'get_clock', lambda: behind)
    watch._look()
    assert timer.time_until_next_call() > left
    assert cancelled.is_canceled()


def test_the_executor_stops_until_it_is_resumed(ros_context, monkeypatch):
    robot = FakeRobot(ros_context)
    calm = [Parameter('joint_state_timeout', value=3.0), Parameter('execute', value=True)]
    node = ExecutorNode(context=ros_context, parameter_overrides=calm)
    with closing(Bench(ros_context, node, robot)) as bench:
        bench.until_reason('waiting for a chunk')
        behind = SetBack(bench.node)
        monkeypatch.setattr(bench.node, 'get_clock', lambda: behind)
        status = bench.until_reason('the clock was set back by 3', 'call ~/resume')
        assert status.state == ExecutorStatus.STOPPED
        assert robot.sent == []


def overrides(values):
    return [Parameter(name, value=value) for name, value in values.items()]


@pytest.mark.parametrize('kind', [*NODES, DemoRecorderNode], ids=lambda kind: kind.__name__)
def test_no_timer_of_a_node_waits_for_a_clock_that_was_set_back(ros_context, tmp_path, kind):
    values = NODES.get(kind, {'directory': str(tmp_path)})
    with closing_node(kind(context=ros_context, parameter_overrides=overrides(values))) as node:
        exposed = [t for t in node.timers if t.clock.clock_type != ClockType.STEADY_TIME]
        assert not exposed or isinstance(node._clock_watch, ClockWatch)
        assert any(t is node._diagnostics._timer for t in set(node.timers) - set(exposed))


@contextmanager
def closing_node(node):
    """Spin and destroy it."""
    try:
        yield node
    finally:
        node.destroy_node()


def test_the_gripper_forgets_what_was_wanted(ros_context, monkeypatch, spin_until):
    user = Node('user', context=ros_context)
    targets = user.create_publisher(JointTrajectory, 'gripper/target', 1)
    with closing_node(GripperNode(context=ros_context)) as node, closing_node(user):
        executor = SingleThreadedExecutor(context=ros_context)
        executor.add_node(node)
        target = JointTrajectory(joint_names=['fr3_finger_joint1'])
        target.header.stamp = ns_to_time(node.get_clock().now().nanoseconds)
        point = JointTrajectoryPoint(positions=[0.04], time_from_start=ns_to_duration(HOUR))
        target.points = [point]
        spin_until(executor, targets.get_subscription_count, timeout=30)
        targets.publish(target)
        spin_until(executor, lambda: node._core._plan is not None, timeout=30)
        behind = SetBack(node)
        monkeypatch.setattr(node, 'get_clock', lambda: behind)
        spin_until(executor, lambda: node._core._plan is None, timeout=30)


def test_the_teleoperation_says_so_and_holds_the_arm(ros_context, monkeypatch, spin_until):
    user, said = Node('user', context=ros_context), []
    user.create_subscription(String, 'teleop/status', lambda m: said.append(m.data), 10)
    with closing_node(TeleopNode(context=ros_context)) as node, closing_node(user):
        executor = SingleThreadedExecutor(context=ros_context)
        executor.add_node(node)
        executor.add_node(user)
        spin_until(executor, lambda: node.count_subscribers('teleop/status'), timeout=30)
        behind = SetBack(node)
        monkeypatch.setattr(node, 'get_clock', lambda: behind)
        told = 'the clock was set back by 3'
        spin_until(executor, lambda: any(told in text for text in said), timeout=30)
        assert node._core.position(behind.now().nanoseconds) is None
