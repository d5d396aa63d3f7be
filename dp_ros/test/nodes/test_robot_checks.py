# SPDX-License-Identifier: Apache-2.0
"""Before it moves an arm the executor checks that it is the one it can drive."""

from contextlib import ExitStack, closing
from pathlib import Path

from dp_ros.control.checks.controller import parameter_misfits
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.sim.urdf import robot_description
from dp_ros_msgs.msg import ExecutorStatus
from fake_robot import CONTROLLER, HOME, JOINTS, QOS, Bench, FakeRobot
import numpy as np
import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from trajectory_msgs.msg import JointTrajectory
import yaml

CONFIG = Path(__file__).resolve().parents[3] / 'dp_ros_bringup' / 'config'
READY = 'waiting for a chunk'
# What shares its machine plans and sends late.
CALM = {'execute': True, 'joint_state_timeout': 3.0, 'lead_time': 0.3, 'max_lead_time': 0.5}


@pytest.fixture
def start(ros_context):
    """Start an executor beside robots; all of it is gone after the test."""
    with ExitStack() as stack:

        def start_bench(*robots, namespace='', **parameters):
            values = CALM | parameters
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            node = ExecutorNode(
                context=ros_context, namespace=namespace, parameter_overrides=overrides
            )
            bench = Bench(ros_context, node, *robots, namespace=namespace)
            return stack.enter_context(closing(bench))

        yield start_bench


@pytest.fixture
def robot(ros_context):
    return lambda **given: FakeRobot(ros_context, **given)


def test_a_robot_that_fits_is_driven(start, robot):
    arm = robot()
    bench = start(arm)
    bench.until_reason(READY)
    bench.follow(HOME)


def test_in_a_namespace_of_its_own_too(start, robot):
    arm = robot(namespace='left')
    bench = start(arm, namespace='left')
    bench.until_reason(READY)
    bench.follow(HOME)


def test_a_robot_in_another_namespace_is_not_reached_and_its_joints_are_awaited(start, robot):
    arm = robot(namespace='right')
    bench = start(arm)
    bench.until_reason('waiting for joint states')
    bench.publish_chunk(HOME)
    bench.until(lambda: bench.status.chunks_refused == 1)
    assert arm.sent == []


def test_what_does_not_fit_is_named_and_the_arm_goes_once_it_is_mended(start, robot):
    arm = robot(interpolate_from_desired_state=False, allow_trajectory_replacement=True)
    arm.states[CONTROLLER] = 'inactive'
    bench = start(arm)
    status = bench.until_reason(f'{CONTROLLER} is inactive: activate it')
    assert (status.state, status.inhibited_by) == (ExecutorStatus.INHIBITED, ['checks'])
    arm.states[CONTROLLER] = 'active'
    bench.until_reason('interpolate_from_desired_state is false: needs true')
    bench.publish_chunk(HOME)
    assert arm.sent == []
    arm.controller.set_parameters([Parameter('interpolate_from_desired_state', value=True)])
    bench.until_reason('allow_trajectory_replacement is true: needs false')
    arm.controller.set_parameters([Parameter('allow_trajectory_replacement', value=False)])
    bench.until_reason(READY)
    bench.follow(HOME)


def test_everything_that_does_not_fit_is_named_at_once(start, robot):
    panda = robot_description('base').replace('fr3_joint', 'panda_joint')
    arm = robot(description=panda, joints=['panda_joint1'])
    start(arm).until_reason('robot_description has no joint fr3_joint1', "joints is ['panda_jo")


def test_a_controller_that_is_deactivated_on_the_way_holds_the_arm_until_resume(start, robot):
    arm = robot()
    bench = start(arm)
    bench.until_reason(READY)
    bench.follow(HOME)
    arm.states[CONTROLLER] = 'inactive'
    bench.until_reason(f'{CONTROLLER} is inactive')
    sent = len(arm.sent)
    bench.publish_chunk(arm.position())
    assert len(arm.sent) == sent
    arm.states[CONTROLLER] = 'active'
    bench.until_reason('that is over, call executor/resume to move')
    assert bench.status.inhibited_by == ['stop']
    sent = len(arm.sent)
    bench.publish_chunk(arm.position())
    assert len(arm.sent) == sent
    assert bench.call('resume').success
    bench.follow(arm.position())
    assert len(arm.sent) == sent + 1


def test_a_controller_that_rejects_is_noticed_by_the_arm_that_stays_where_it_is(start, robot):
    arm = robot()
    arm.refuses.add('trajectories')
    bench = start(arm, max_tracking_error=0.02)
    bench.until_reason(READY)
    bench.publish_chunk(HOME)
    bench.until_reason('rad from where it is commanded, more than 0.02 rad')
    assert bench.status.state == ExecutorStatus.STOPPED
    np.testing.assert_array_equal(arm.position(), HOME)


def test_a_controller_without_a_manager_is_not_trusted(start, robot, ros_context):
    class Alone:
        nodes = (Node(CONTROLLER, context=ros_context),)

        def close(self):
            self.nodes[0].destroy_node()

    alone = Alone()
    alone.nodes[0].create_subscription(JointTrajectory, '~/joint_trajectory', print, QOS)
    start(alone).until_reason(
        'there is no service /controller_manager/list_controllers', 'no robot_description'
    )


def test_checks_can_be_switched_off(start, robot):
    arm = robot(allow_nonzero_velocity_at_trajectory_end=True)
    bench = start(arm, check_robot=False)
    bench.until_reason(READY)
    bench.follow(HOME)


@pytest.mark.parametrize('fake', [False, True])
def test_the_controllers_that_are_shipped_fit(fake):
    text = (CONFIG / 'franka_controllers.yaml').read_text()
    values = yaml.safe_load(text)[f'/**/{CONTROLLER}']['ros__parameters']
    if fake:
        text = (CONFIG / 'franka_fake_hardware.yaml').read_text()
        values |= yaml.safe_load(text)[f'/**/{CONTROLLER}']['ros__parameters']
    assert parameter_misfits(CONTROLLER, JOINTS, values) == ()
