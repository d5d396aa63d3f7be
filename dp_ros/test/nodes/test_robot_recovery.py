# SPDX-License-Identifier: Apache-2.0
"""A reflex or a user stop holds the arm, and one service brings it back."""

from contextlib import ExitStack, closing
import sys

from dp_ros.control.checks.robot_watch import Mode
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros_msgs.msg import ExecutorStatus
from executor_bench import refusals
from fake_robot import BROADCASTER, CONTROLLER, HOME, Bench, FakeRobot
from franka_msgs.msg import FrankaRobotState
import numpy as np
import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

READY = 'waiting for a chunk'
# What shares its machine plans and sends late.
CALM = {
    'execute': True,
    'joint_state_timeout': 1.0,
    'n_action_steps': 15,
    'lead_time': 0.3,
    'max_lead_time': 0.5,
}
ALL = f'activate {CONTROLLER} {BROADCASTER} joint_state_broadcaster'


@pytest.fixture
def make(ros_context):
    """Start an executor beside a robot; all of it is gone after the test."""
    with ExitStack() as stack:

        def make_bench(robots=None, **parameters):
            values = CALM | parameters
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            node = ExecutorNode(context=ros_context, parameter_overrides=overrides)
            robots = [FakeRobot(ros_context)] if robots is None else robots
            return stack.enter_context(closing(Bench(ros_context, node, *robots)))

        yield make_bench


@pytest.fixture
def bench(make):
    bench = make()
    bench.until_reason(READY)
    return bench


def moving(bench):
    robot = bench.robots[0]
    bench.follow(robot.position())
    bench.until(lambda: np.abs(robot.position() - HOME).max() > 0.01)
    return robot


def test_a_reflex_brakes_the_arm_and_names_the_errors(bench):
    robot = moving(bench)
    robot.mode, robot.errors = Mode.REFLEX, ['joint_reflex', 'cartesian_reflex']
    status = bench.until_reason('reflex (joint_reflex, cartesian_reflex): call executor/recover')
    assert (status.state, status.inhibited_by) == (ExecutorStatus.INHIBITED, ['robot'])
    bench.until(lambda: len(robot.sent) == 2)
    assert not any(robot.sent[-1].points[-1].velocities)
    robot.mode, robot.errors = Mode.MOVE, []
    bench.publish_chunk(robot.position())
    assert len(robot.sent) == 2


def test_recovery_clears_the_error_then_activates_hardware_then_controllers(bench):
    robot = moving(bench)
    robot.fall(Mode.REFLEX, 'joint_reflex')
    bench.until_reason('the robot is silent for', 'call executor/recover')
    stale = bench.publish_chunk(robot.position())
    sent = len(robot.sent)
    answer = bench.call('recover')
    assert answer.success
    assert answer.message == 'recovered from joint_reflex: call executor/resume to move'
    assert robot.calls == ['error_recovery', 'FrankaHardwareInterface active', ALL]
    bench.until(lambda: bench.status.inhibited_by == ['stop'])
    assert 'call executor/resume to move' in bench.status.reason
    bench.publish_chunk(robot.position())
    assert len(robot.sent) == sent
    assert bench.call('resume').success
    bench.until_reason(READY)
    before = refusals(bench.status)
    bench.publish_chunk(robot.position(), stale)
    bench.until(lambda: refusals(bench.status) == before + 1)
    assert len(robot.sent) == sent
    rests_at = robot.position()
    bench.follow(rests_at)
    assert len(robot.sent) == sent + 1
    start = robot.sent[-1].points[0]
    np.testing.assert_allclose(start.positions, rests_at)
    assert not any(start.velocities)


def test_what_was_observed_before_a_recovery_is_forgotten(bench):
    calls = bench.robots[0].calls

    def reset(request, response):
        calls.append('reset')
        response.success = True
        return response

    bench.user.create_service(Trigger, 'observation_aggregator/reset', reset)
    client = next(c for c in bench.node.clients if c.srv_name.endswith('/reset'))
    bench.until(client.service_is_ready)
    bench.robots[0].fall(Mode.REFLEX)
    bench.until_reason('the robot is silent for')
    assert bench.call('recover').success
    assert calls == ['error_recovery', 'FrankaHardwareInterface active', ALL, 'reset']


@pytest.mark.parametrize(
    ('refused', 'answer', 'done'),
    [
        ('error_recovery', 'the robot does not recover from its error: is the user stop', 1),
        ('hardware', 'FrankaHardwareInterface stays unconfigured: is the robot on', 2),
        ('switch', 'cannot be activated: a joint is claimed', 3),
    ],
)
def test_a_step_that_fails_is_named_and_the_next_call_goes_on(bench, refused, answer, done):
    robot = bench.robots[0]
    robot.fall(Mode.REFLEX)
    robot.refuses.add(refused)
    bench.until_reason('the robot is silent for')
    first = bench.call('recover')
    assert not first.success and answer in first.message
    assert len(robot.calls) == done
    assert bench.status.state == ExecutorStatus.INHIBITED
    robot.refuses.clear()
    assert bench.call('recover').success
    bench.until_reason('call executor/resume to move')


def test_a_user_stop_has_to_be_released_first(bench):
    robot = bench.robots[0]
    robot.mode = Mode.USER_STOPPED
    bench.until_reason('the user stop is pressed: call executor/recover')
    answer = bench.call('recover')
    assert (answer.success, robot.calls) == (False, [])
    assert answer.message == 'the user stop is pressed: release it, then call again'
    robot.mode = Mode.IDLE
    bench.until(lambda: bench.call('recover').success)
    bench.until_reason('call executor/resume to move')


def test_a_robot_that_stays_idle_is_not_recovered(bench):
    robot = bench.robots[0]
    robot.mode = Mode.IDLE
    bench.until_reason('the robot is idle')
    answer = bench.call('recover')
    assert (answer.success, answer.message) == (
        False,
        'the robot is idle: no controller moves it',
    )
    robot.mode = Mode.MOVE
    bench.until_reason('that is over, call executor/resume to move')
    assert bench.call('resume').success
    bench.until_reason(READY)


def test_without_the_recovery_action_it_is_named(make):
    bench = make(error_recovery_action='elsewhere/error_recovery')
    bench.until_reason(READY)
    bench.robots[0].fall(Mode.REFLEX)
    bench.until_reason('the robot is silent for')
    answer = bench.call('recover')
    assert (answer.success, answer.message) == (
        False,
        'there is no action elsewhere/error_recovery: is franka_ros2 running?',
    )


def test_recovery_leaves_what_a_person_has_set(bench):
    for name in ('pause', 'stop'):
        bench.call(name)
    assert bench.call('recover').success
    bench.until(lambda: bench.status.inhibited_by == ['pause', 'stop'])
    assert bench.call('resume').success
    bench.until_reason(READY)


class Simulation:
    """Joint states and somebody who listens, as in a simulation; no robot to ask."""

    def __init__(self, context):
        self.nodes = (Node('franka_sim', context=context),)
        node = self.nodes[0]
        node.create_subscription(JointTrajectory, f'{CONTROLLER}/joint_trajectory', print, 1)
        joints = node.create_publisher(JointState, 'joint_states', 1)
        message = JointState(name=list(JOINT_NAMES), position=HOME.tolist())

        def publish():
            message.header.stamp = node.get_clock().now().to_msg()
            joints.publish(message)

        node.create_timer(0.02, publish)

    def close(self):
        self.nodes[0].destroy_node()


def test_in_a_simulation_nothing_is_asked_and_recover_answers(make, ros_context):
    bench = make([Simulation(ros_context)])
    bench.until_reason(READY)
    bench.call('stop')
    bench.until_reason('stopped by service')
    answer = bench.call('recover')
    assert (answer.success, answer.message) == (True, 'recovered: call executor/resume to move')
    bench.until_reason('call executor/resume to move')
    assert bench.call('resume').success
    bench.until_reason(READY)


def test_without_franka_msgs_it_works_and_says_once_what_is_missing(
    make, ros_context, monkeypatch, capfd
):
    for part in ('msg', 'action'):
        monkeypatch.setitem(sys.modules, f'franka_msgs.{part}', None)
    bench = make([Simulation(ros_context)])
    bench.until_reason(READY)
    assert bench.call('recover').success
    assert capfd.readouterr().err.count('franka_msgs is not installed: reflexes are not seen') == 1


def test_modes_have_the_numbers_of_the_message():
    for mode in Mode:
        name = 'AUTOMATIC_ERROR_RECOVERY' if mode is Mode.RECOVERY else mode.name
        assert getattr(FrankaRobotState, f'ROBOT_MODE_{name}') == mode
