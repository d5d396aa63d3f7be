# SPDX-License-Identifier: Apache-2.0
"""From a chunk with fingers to the closing Hand: executor, gripper and fake Hand together."""

import time

from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.nodes.fake_gripper.node import FakeGripperNode
from dp_ros.nodes.gripper.node import GripperNode
from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES
from dp_ros.robot.units import MS
from dp_ros.ros.contract import LATCHED, contract_msg
from dp_ros.ros.conversions import ns_to_duration
from dp_ros.task.task import Task
from dp_ros_msgs.msg import Contract, ExecutorStatus
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

FINGERS = list(FINGER_NAMES)
HOME = [0.0, -0.78, 0.0, -2.36, 0.0, 1.57, 0.78]
QOS = QoSProfile(depth=9)
TASK = Task(joints=JOINT_NAMES, gripper_joints=FINGERS, dt=0.2, horizon=41, n_action_steps=40)


class Chain:
    """The three nodes, an arm at rest, and one that plays policy."""

    def __init__(self, context):
        executor = {
            'execute': True,
            'joint_state_timeout': 3.0,
        }
        self.hand = FakeGripperNode(context=context)
        self.gripper = GripperNode(context=context)
        self.arm = ExecutorNode(
            context=context,
            parameter_overrides=[Parameter(name, value=value) for name, value in executor.items()],
        )
        self.node = Node('bench', context=context)
        self.nodes = [self.hand, self.gripper, self.arm, self.node]
        self.executor = SingleThreadedExecutor(context=context)
        for node in self.nodes:
            self.executor.add_node(node)
        self.status, self.width = ExecutorStatus(), None
        self.chunks = self.node.create_publisher(JointTrajectory, 'policy/chunk', QOS)
        self.joints = self.node.create_publisher(JointState, 'joint_states', QOS)
        self.node.create_subscription(ExecutorStatus, 'executor/status', self._on_status, QOS)
        self.node.create_subscription(
            JointState, 'franka_gripper/joint_states', self._on_width, qos_profile_sensor_data
        )
        self.node.create_timer(0.02, self._publish_joints)
        self.until(lambda: self.width is not None and not self.gripper._absent())
        self.until(lambda: self.gripper.count_publishers('executor/status'))
        self.until(lambda: self.status.reason == 'waiting for a chunk')
        self.contracts = self.node.create_publisher(Contract, 'policy/contract', LATCHED)
        self.contracts.publish(contract_msg(TASK, 'policies/mine', 'abc'))
        self.until(lambda: self.arm._task is not None)

    def _on_status(self, message):
        self.status = message

    def _on_width(self, message):
        self.width = sum(message.position)

    def _publish_joints(self):
        message = JointState(name=list(JOINT_NAMES), position=HOME)
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.joints.publish(message)

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, self.status
            self.executor.spin_once(timeout_sec=0.02)

    def want(self, closed_after):
        """Publish a chunk of 8 s that holds the arm and closes the fingers after a while [s]."""
        message = JointTrajectory(joint_names=[*JOINT_NAMES, *FINGERS])
        message.header.stamp = self.node.get_clock().now().to_msg()
        for k in range(40):
            finger = 0.04 if 0.2 * k < closed_after else 0.0
            point = JointTrajectoryPoint(positions=[*HOME, finger, finger])
            point.time_from_start = ns_to_duration(200 * k * MS)
            message.points.append(point)
        self.chunks.publish(message)


@pytest.fixture
def chain(ros_context):
    chain = Chain(ros_context)
    yield chain
    for node in chain.nodes:
        node.destroy_node()


def test_the_fingers_of_a_chunk_close_the_hand(chain):
    chain.want(closed_after=0.0)
    chain.until(lambda: chain.width == pytest.approx(0.0))


def test_an_estop_takes_back_what_the_fingers_were_to_do(chain):
    chain.want(closed_after=6.0)
    chain.until(lambda: chain.gripper._core._plan is not None)
    estop = chain.node.create_client(Trigger, 'executor/estop')
    chain.until(estop.service_is_ready)
    chain.until(estop.call_async(Trigger.Request()).done)
    chain.until(lambda: chain.gripper._core._plan is None)
    assert chain.width == pytest.approx(0.08)
