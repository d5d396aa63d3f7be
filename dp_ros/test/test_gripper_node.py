# SPDX-License-Identifier: Apache-2.0
"""The gripper's node against the fake Hand, in one process."""

import time

from diagnostic_msgs.msg import DiagnosticArray
from dp_ros.nodes.conversions import ns_to_duration, ns_to_time
from dp_ros.nodes.fake_gripper import FakeGripperNode
from dp_ros.nodes.gripper import GripperNode
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

FINGERS = ['fr3_finger_joint1', 'fr3_finger_joint2']
MS = 1_000_000
QOS = QoSProfile(depth=50)


class Bench:
    """The adapter, perhaps the fake Hand, and one that plays policy and listens."""

    def __init__(self, context, fake=True, hand=(), **parameters):
        self.adapter = GripperNode(context=context, parameter_overrides=listed(parameters))
        self.bench = Node('bench', context=context)
        self.nodes = [self.adapter, self.bench]
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.adapter)
        self.executor.add_node(self.bench)
        self.reports, self.motions, self.widths = [], [], []
        self.targets = self.bench.create_publisher(JointTrajectory, 'gripper/target', QOS)
        for kind, topic, callback, qos in (
            (DiagnosticArray, '/diagnostics', self._on_report, QOS),
            (JointTrajectory, 'gripper/joint_trajectory', self.motions.append, QOS),
            (JointState, 'franka_gripper/joint_states', self._on_joints, qos_profile_sensor_data),
        ):
            self.bench.create_subscription(kind, topic, callback, qos)
        if fake:
            self.start_fake(context, **dict(hand))
        self.until(self.targets.get_subscription_count)

    def start_fake(self, context, **parameters):
        self.hand = FakeGripperNode(context=context, parameter_overrides=listed(parameters))
        self.nodes.append(self.hand)
        self.executor.add_node(self.hand)
        self.until(lambda: self.widths)
        self.until(lambda: not self.adapter._absent())

    def _on_report(self, array):
        self.reports += [s for s in array.status if s.name == '/gripper']

    def _on_joints(self, message):
        self.widths.append(sum(message.position))

    def until(self, condition, deadline=30.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, self.reports[-1:]
            self.executor.spin_once(timeout_sec=0.02)

    def now_ns(self):
        return self.adapter.get_clock().now().nanoseconds

    def want(self, *positions, names=FINGERS, stamp_ns=None):
        """Publish finger positions, one per 100 ms from now on; the last one for long."""
        message = JointTrajectory(joint_names=names)
        message.header.stamp = ns_to_time(self.now_ns() if stamp_ns is None else stamp_ns)
        for k, position in enumerate([*positions, positions[-1]]):
            after = k * 100 * MS if k < len(positions) else 60_000 * MS
            point = JointTrajectoryPoint(positions=[position] * len(names))
            point.time_from_start = ns_to_duration(after)
            message.points.append(point)
        self.targets.publish(message)

    def counts(self):
        return self.adapter._core.counts


def listed(parameters):
    return [Parameter(name, value=value) for name, value in parameters.items()]


@pytest.fixture
def make(ros_context):
    benches = []

    def make_bench(**changes):
        benches.append(Bench(ros_context, **changes))
        return benches[-1]

    yield make_bench
    for bench in benches:
        for node in bench.nodes:
            node.destroy_node()


def test_a_closing_hand_takes_one_goal_and_holds_the_object(make):
    bench = make(hand={'object_width': 0.03})
    bench.want(0.04, 0.03, 0.02, 0.01, 0.0)
    bench.until(lambda: bench.counts().sent == 1)
    bench.until(lambda: bench.widths[-1] == pytest.approx(0.03))
    bench.until(lambda: bench.adapter._core.flight is None)
    assert (bench.counts().sent, bench.counts().failed) == (1, 0)
    assert bench.adapter._core.latency == pytest.approx(0.3, abs=0.3)
    bench.want(0.0, 0.04)
    bench.until(lambda: bench.widths[-1] == pytest.approx(0.08))
    bench.until(lambda: bench.adapter._core.flight is None)
    assert (bench.counts().sent, bench.counts().failed) == (2, 0)
    last = bench.motions[-1].points[-1]
    assert list(last.positions) == [0.04, 0.04]
    assert not any(last.velocities) and not any(last.accelerations)
