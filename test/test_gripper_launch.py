# SPDX-License-Identifier: Apache-2.0
"""The launched gripper closes and opens as gripper/target says."""

from functools import partial

from dp_ros.robot.kinematics import FINGER_NAMES
from dp_ros.ros.conversions import ns_to_duration
from launched import DEADLINE, running
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

FINGERS = list(FINGER_NAMES)
SECOND = 1_000_000_000


@pytest.fixture
def node(ros_context):
    node = Node('bench', context=ros_context)
    yield node
    node.destroy_node()


def constant(node, position):
    """Return a target that holds for a minute from now on."""
    message = JointTrajectory(joint_names=FINGERS)
    message.header.stamp = node.get_clock().now().to_msg()
    message.points = [
        JointTrajectoryPoint(
            positions=[position] * 2, time_from_start=ns_to_duration(second * SECOND)
        )
        for second in (0, 60)
    ]
    return message


def test_the_fake_hand_follows_a_target_in_the_namespace(node, tmp_path, domain_id, spin_until):
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    spin = partial(spin_until, executor, timeout=DEADLINE)
    widths = []
    node.create_subscription(
        JointState,
        'left/franka_gripper/joint_states',
        lambda message: widths.append(sum(message.position)),
        qos_profile_sensor_data,
    )
    targets = node.create_publisher(JointTrajectory, 'left/gripper/target', 1)
    words = ('gripper.launch.py', 'namespace:=left', 'fake:=true')
    with running(tmp_path, *words, ROS_DOMAIN_ID=str(domain_id)) as launched:
        spin(lambda: widths and targets.get_subscription_count())
        for position in (0.02, 0.04):
            targets.publish(constant(node, position))
            wanted = pytest.approx(0.0 if position == 0.02 else 0.08, abs=1e-6)
            spin(lambda wanted=wanted: widths[-1] == wanted)
        launched.interrupt()
