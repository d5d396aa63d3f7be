# SPDX-License-Identifier: Apache-2.0
"""The nodes take the arm from `robot_description`, and move none that they do not know."""

from contextlib import ExitStack, closing

from arms import SIX_HOME, SIX_JOINTS, fr3, six
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.nodes.teleop.node import TeleopNode
from dp_ros.robot.arm_model import FR3, read_arm
from dp_ros_msgs.msg import ExecutorStatus
from fake_robot import LATCHED, QOS, Bench, FakeRobot
from geometry_msgs.msg import TwistStamped
import numpy as np
import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String

READY = 'waiting for a chunk'
UNKNOWN = 'no robot_description: is robot_state_publisher running?'
# What shares its machine plans and sends late.
CALM = {'execute': True, 'joint_state_timeout': 3.0, 'lead_time': 0.3, 'max_lead_time': 0.5}
SIX = {'joint_names': list(SIX_JOINTS)}
MODEL = read_arm(six(), SIX_JOINTS, 'base', 'tool0')


def overrides(values):
    return [Parameter(name, value=value) for name, value in values.items()]


@pytest.fixture
def start(ros_context):
    """Start an executor beside robots; all of it is gone after the test."""
    with ExitStack() as stack:

        def start_bench(*robots, **parameters):
            node = ExecutorNode(
                context=ros_context, parameter_overrides=overrides(CALM | parameters)
            )
            return stack.enter_context(closing(Bench(ros_context, node, *robots)))

        yield start_bench


@pytest.fixture
def six_robot(ros_context):
    def make(description=None):
        text = six() if description is None else description
        return FakeRobot(ros_context, description=text, names=SIX_JOINTS, home=SIX_HOME)

    return make


def follow(bench, robot):
    """Let the arm follow a chunk, and wait until it rests where that leads."""
    before = robot.position()
    bench.follow(before)
    bench.until(lambda: (robot.position() > before + 0.1).all())
    bench.until(lambda: bench.status.state == ExecutorStatus.WAITING)


def assert_nothing_moves(bench, robot):
    bench.publish_chunk(robot.position())
    bench.publish_chunk(robot.position())
    assert robot.sent == []


def test_an_arm_of_six_joints_is_driven_inside_its_own_limits(start, six_robot):
    robot = six_robot()
    bench = start(robot, **SIX)
    bench.until_reason(READY)
    follow(bench, robot)
    for message in robot.sent:
        assert message.joint_names == list(SIX_JOINTS)
        fastest = np.abs([point.accelerations for point in message.points]).max(axis=0)
        assert (fastest < MODEL.limits.acceleration).all()


def test_its_workspace_is_that_of_its_tool(start, six_robot):
    tcp = MODEL.tcp.position(np.array(SIX_HOME))
    robot = six_robot()
    box = {'workspace_low': (tcp - 0.2).tolist(), 'workspace_high': (tcp + 0.2).tolist()}
    bench = start(robot, **SIX, **box, tool_frame='tool0')
    bench.until_reason(READY)
    follow(bench, robot)
    away = {'workspace_low': (tcp + 0.5).tolist(), 'workspace_high': (tcp + 0.9).tolist()}
    bench.node.set_parameters(overrides(away))
    sent = len(robot.sent)
    bench.publish_chunk(robot.position())
    bench.until(lambda: bench.status.chunks_refused == 1)
    assert len(robot.sent) == sent


@pytest.mark.parametrize('checked', [True, False])
def test_joints_that_are_no_fr3s_are_held_until_they_are_described(start, six_robot, checked):
    robot = six_robot('<robot/>')
    bench = start(robot, check_robot=checked, **SIX)
    status = bench.until_reason('robot_description has no joint shoulder_pan')
    assert (status.state, status.inhibited_by) == (ExecutorStatus.INHIBITED, ['checks'])
    assert_nothing_moves(bench, robot)
    robot.description.publish(String(data=six()))
    bench.until_reason(READY)
    follow(bench, robot)


def test_without_any_description_they_are_held_too(start):
    bench = start(check_robot=False, **SIX)
    assert bench.until_reason(UNKNOWN).inhibited_by == ['checks']


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('<robot>' * 1000, 'robot_description: cannot be read'),
        (six() + ' ' * 1_000_000, 'robot_description: cannot be read'),
        (six().replace('type="revolute"', 'type="continuous"'), 'shoulder_pan is continuous'),
        (six().replace('upper="0.5"', 'upper="inf"'), 'shoulder_lift to a upper of inf'),
        (six().replace('parent link="world"', 'parent link="tool0"'), 'in a loop of joints'),
        (fr3(), 'has no joint shoulder_pan'),
    ],
)
def test_nonsense_is_named_and_moves_nothing(start, six_robot, text, says):
    robot = six_robot(text)
    bench = start(robot, **SIX)
    assert bench.until_reason(says).inhibited_by == ['checks']
    assert_nothing_moves(bench, robot)


def test_a_tool_frame_that_is_not_there_is_named_with_those_that_are(start, six_robot):
    robot = six_robot()
    bench = start(robot, **SIX, tool_frame='gripper_tip')
    bench.until_reason('has no tool_frame gripper_tip, it has', 'tool0')
    assert_nothing_moves(bench, robot)


def test_an_fr3_is_the_same_with_and_without_its_description(start, ros_context):
    robot = FakeRobot(ros_context)
    bench = start(robot)
    assert bench.node._core.model is FR3
    bench.until(lambda: bench.node._robot._arm.heard)
    assert bench.node._core.model is FR3


def test_a_description_of_another_arm_stops_a_moving_one_until_a_person_resumes(start, six_robot):
    robot = six_robot()
    bench = start(robot, **SIX)
    bench.until_reason(READY)
    bench.follow(robot.position())
    robot.description.publish(String(data=six().replace('0 0 0.1"', '0 0 0.2"')))
    bench.until_reason('that is over, call executor/resume to move')
    assert bench.status.inhibited_by == ['stop']
    assert not bench.status.moving
    tip = bench.node._core.model.tcp.position(np.array(SIX_HOME))
    assert np.linalg.norm(tip - MODEL.tcp.position(np.array(SIX_HOME))) > 0.09
    assert bench.call('resume').success
    bench.follow(robot.position())


# ---- teleoperation


@pytest.fixture
def beside(start):
    """Give what adds a node to a bench, and takes it away before the bench goes."""
    with ExitStack() as stack:

        def add(bench, node):
            bench.executor.add_node(node)
            stack.callback(node.destroy_node)
            return node

        yield add


def test_a_twist_moves_the_tool_of_six_joints(start, six_robot, beside, ros_context):
    robot = six_robot()
    bench = start(robot, **SIX)
    values = SIX | {'device': 'twist', 'input_timeout': 1.0}
    teleop = TeleopNode(context=ros_context, parameter_overrides=overrides(values))
    teleop._core.config = type(teleop._core.config)(
        **vars(teleop._core.config) | {'joint_state_timeout': 3.0}
    )
    beside(bench, teleop)
    twists = bench.user.create_publisher(TwistStamped, 'teleop/twist', QOS)
    bench.until_reason(READY)
    bench.until(lambda: teleop._forbidden(teleop._now_ns()) == '')
    bench.until(twists.get_subscription_count)
    twists.publish(TwistStamped())
    bench.until(lambda: teleop._core.reason == '')
    begin = MODEL.tcp.position(robot.position())
    message = TwistStamped()
    message.header.frame_id = 'base'
    message.twist.linear.z = 0.05

    def moved():
        twists.publish(message)
        return MODEL.tcp.position(robot.position())[2] > begin[2] + 0.02

    bench.until(moved)
    way = MODEL.tcp.position(robot.position()) - begin
    assert np.abs(way[:2]).max() < 5e-3


def test_a_teleoperation_of_an_arm_that_is_not_known_moves_nothing(start, beside, ros_context):
    bench = start(check_robot=False, **SIX)
    teleop = beside(
        bench,
        TeleopNode(context=ros_context, parameter_overrides=overrides(SIX | {'device': 'twist'})),
    )
    assert teleop._forbidden(teleop._now_ns()) == UNKNOWN
    describer = beside(bench, Node('describer', context=ros_context))
    publisher = describer.create_publisher(String, 'robot_description', LATCHED)
    publisher.publish(String(data=six().replace('type="revolute"', 'type="floating"')))
    bench.until(lambda: 'is floating' in teleop._forbidden(teleop._now_ns()))
