# SPDX-License-Identifier: Apache-2.0
"""The fake Hand shows itself as franka_gripper does: actions, stop, joint states."""

from contextlib import ExitStack, closing
import math
import time

from action_msgs.msg import GoalStatus
from control_msgs.action import GripperCommand
from dp_ros.nodes.fake_gripper.node import FakeGripperNode
from dp_ros.robot.kinematics import FINGER_NAMES
from dp_ros.ros.ending import EndingNode
from franka_msgs.action import Grasp, Homing, Move
import pytest
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

ACTIONS = {'move': Move, 'grasp': Grasp, 'homing': Homing, 'gripper_action': GripperCommand}
FINGERS = list(FINGER_NAMES)
SUCCEEDED, ABORTED = GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_ABORTED


class Bench:
    """The fake Hand and a client of everything it serves."""

    def __init__(self, context, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.hand = FakeGripperNode(context=context, parameter_overrides=overrides)
        self.node = EndingNode('bench', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.hand)
        self.executor.add_node(self.node)
        self.states, self.motions = [], []
        self.node.create_subscription(
            JointState,
            'franka_gripper/joint_states',
            self.states.append,
            qos_profile_sensor_data,
        )
        self.node.create_subscription(
            JointTrajectory, 'gripper/joint_trajectory', self.motions.append, QoSProfile(depth=9)
        )
        self.clients = {
            name: ActionClient(self.node, kind, f'franka_gripper/{name}')
            for name, kind in ACTIONS.items()
        }
        self.until(lambda: self.states)
        self.until(lambda: all(c.server_is_ready() for c in self.clients.values()))

    def close(self):
        for client in self.clients.values():
            client.destroy()
        self.hand.destroy_node()
        self.node.destroy_node()

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not (value := condition()):
            assert time.monotonic() < end
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def send(self, name, **fields):
        future = self.clients[name].send_goal_async(ACTIONS[name].Goal(**fields))
        self.until(future.done)
        return future.result()

    def end(self, handle):
        """Return (status, result) of a goal."""
        future = handle.get_result_async()
        self.until(future.done)
        return future.result().status, future.result().result

    def do(self, name, **fields):
        return self.end(self.send(name, **fields))

    def width(self):
        self.states.clear()
        self.until(lambda: self.states)
        assert self.states[-1].name == FINGERS
        return sum(self.states[-1].position)


@pytest.fixture
def make(ros_context):
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(closing(Bench(ros_context, **given)))


def test_move_and_grasp_end_as_the_fingers_do(make):
    bench = make(latency=0.0, object_width=0.03)
    status, result = bench.do('move', width=0.06, speed=0.2)
    assert (status, result.success) == (SUCCEEDED, True)
    assert bench.width() == pytest.approx(0.06)
    goal = Grasp.Goal(width=0.03, speed=0.2, force=30.0)
    status, result = bench.do('grasp', width=goal.width, speed=goal.speed, epsilon=goal.epsilon)
    assert (status, result.success, result.error) == (SUCCEEDED, True, '')
    assert bench.width() == pytest.approx(0.03)
    status, result = bench.do('move', width=0.0, speed=0.2)
    assert (status, result.success) == (ABORTED, False)


def test_the_gripper_command_is_of_one_finger_and_its_result_the_full_width(make):
    bench = make(latency=0.0, object_width=0.05)
    command = GripperCommand.Goal().command
    command.position = 0.025
    status, result = bench.do('gripper_action', command=command)
    assert (status, result.reached_goal) == (SUCCEEDED, True)
    assert result.position == pytest.approx(0.05)


def test_homing_ends_open(make):
    bench = make(latency=0.0)
    status, result = bench.do('homing')
    assert (status, result.success) == (SUCCEEDED, True)
    assert bench.width() == pytest.approx(0.08)
    assert bench.motions[0].points[-1].positions[0] == 0.0


@pytest.mark.parametrize('how', ['stop', 'cancel'])
def test_stop_and_cancel_leave_the_fingers_where_they_are(make, how):
    bench = make(latency=0.0)
    handle = bench.send('move', width=0.0, speed=0.01)
    bench.until(lambda: bench.motions)
    if how == 'cancel':
        handle.cancel_goal_async()
    else:
        stop = bench.node.create_client(Trigger, 'franka_gripper/stop')
        bench.until(stop.service_is_ready)
        stop.call_async(Trigger.Request())
    status, result = bench.end(handle)
    assert status == (GoalStatus.STATUS_CANCELED if how == 'cancel' else ABORTED)
    assert (result.success, result.error) == (False, 'stopped')
    assert bench.width() > 0.0


@pytest.mark.parametrize(
    ('fields', 'error'),
    [
        ({'width': math.nan, 'speed': 0.1}, 'width nan m: needs 0 to 0.08 m'),
        ({'width': 0.1, 'speed': 0.1}, 'width 0.1 m'),
        ({'width': 0.04, 'speed': -0.1}, 'speed -0.1 m/s: needs to be positive'),
    ],
)
def test_a_bad_goal_fails_with_its_reason_and_moves_nothing(make, fields, error):
    bench = make(latency=0.0)
    status, result = bench.do('move', **fields)
    assert status == ABORTED and error in result.error
    assert bench.motions == []


def test_in_simulation_the_fingers_are_where_the_joint_states_say(make):
    bench = make(follow_joint_states=True)
    joints = bench.node.create_publisher(JointState, 'joint_states', QoSProfile(depth=9))
    message = JointState(name=['fr3_joint1', *FINGERS], position=[0.5, 0.01, 0.02])
    bench.node.create_timer(0.02, lambda: joints.publish(message))
    bench.until(lambda: sum(bench.states[-1].position) == pytest.approx(0.03))
