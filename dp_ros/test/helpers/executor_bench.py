# SPDX-License-Identifier: Apache-2.0
"""The executor's node, and one that plays policy, controller, arm and user, in one process."""

from contextlib import ExitStack, closing, contextmanager
import time

from diagnostic_msgs.msg import DiagnosticArray
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import MS
from dp_ros.ros.conversions import ns_to_duration, ns_to_time, trajectory_from_msg
from dp_ros_msgs.msg import ExecutorStatus
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

JOINTS = list(JOINT_NAMES)
HOME = np.array([0.0, -0.78, 0.0, -2.36, 0.0, 1.57, 0.78])
COMMANDS = 'fr3_arm_controller/joint_trajectory'
QOS = QoSProfile(depth=50)
SERVICES = ('pause', 'resume', 'stop', 'estop', 'reset', 'enable', 'disable', 'go_to_start')
# A busy machine is not an arm that has failed; what is slow is tested where it matters.
CALM = {
    'execute': True,
    'joint_state_timeout': 3.0,
    'slow_start_time': 0.0,
    'lead_time': 0.3,
    'max_lead_time': 0.5,
}


@contextmanager
def benches(context):
    """Give a function that makes benches, which are gone, publishers and all, in the end."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(closing(Bench(context, **changes)))


def make_node(context, **parameters):
    overrides = [Parameter(name, value=value) for name, value in (CALM | parameters).items()]
    return ExecutorNode(context=context, parameter_overrides=overrides)


class Bench:
    """The node, and one that plays policy, controller and arm."""

    def __init__(self, context, controller=True, ready=True, **parameters):
        self.core_node = make_node(context, **parameters)
        self.node = Node('bench', context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.core_node)
        self.executor.add_node(self.node)
        self.sent, self.statuses, self.reports = [], [], []
        self.reference = TrajectoryReference(JOINTS, HOME)
        self._next_ns, self._commands = None, []
        self.alive = True
        self._system = Clock(clock_type=ClockType.SYSTEM_TIME)
        # Ready before a test needs one: the arm would not move on until it is found.
        self._clients = {
            name: self.node.create_client(Trigger, f'executor/{name}') for name in SERVICES
        }
        if controller:
            self.node.create_subscription(JointTrajectory, COMMANDS, self._on_command, QOS)
        self.node.create_subscription(ExecutorStatus, 'executor/status', self.statuses.append, QOS)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_report, QOS)
        self.joints_out = self.node.create_publisher(JointState, 'joint_states', QOS)
        self.chunks_out = self.node.create_publisher(JointTrajectory, 'policy/chunk', QOS)
        outs = (self.joints_out, self.chunks_out)
        self.until(lambda: all(p.get_subscription_count() for p in outs))
        self.until(lambda: self.node.count_publishers('executor/status') == 1)
        self.until(lambda: all(client.service_is_ready() for client in self._clients.values()))
        if controller:
            self.until(self.core_node._commands.get_subscription_count)
        self.node.create_timer(0.02, self._publish_joints)
        if ready:
            self.until(lambda: self.status().reason == 'waiting for a chunk')

    def close(self):
        self.core_node.destroy_node()
        self.node.destroy_node()

    def _on_command(self, message, info):
        """Follow a trajectory from when it came: this process may read it much later."""
        self.sent.append(message)
        age_ns = self._system.now().nanoseconds - info['received_timestamp']
        came_ns = self.now_ns() - max(0, age_ns)
        self._log(came_ns)
        self.reference.accept(trajectory_from_msg(message), came_ns)

    def _log(self, now_ns):
        times = np.arange(self._next_ns or now_ns, now_ns, MS)
        self._next_ns = int(times[-1]) + MS if len(times) else self._next_ns or now_ns
        self._commands.append(self.reference.sample(times)[0])

    def commands(self):
        """Return what the controller commanded since the first trajectory (n, 7), at 1 kHz."""
        self._log(self.now_ns())
        return np.concatenate(self._commands)

    def _on_report(self, array):
        self.reports += [s for s in array.status if s.name == '/executor']

    def _publish_joints(self):
        if self.alive:
            self.joints(self.position())

    def joints(self, positions, names=JOINTS):
        message = JointState(name=names, position=[float(p) for p in positions])
        message.header.stamp = ns_to_time(self.now_ns())
        self.joints_out.publish(message)

    def now_ns(self):
        return self.core_node.get_clock().now().nanoseconds

    def state(self):
        return [value[0] for value in self.reference.sample(np.array([self.now_ns()]))]

    def position(self):
        return self.state()[0]

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, (self.status(), self.reports[-1:])
            self.executor.spin_once(timeout_sec=0.02)

    def status(self):
        return self.statuses[-1] if self.statuses else ExecutorStatus()

    def until_state(self, state):
        self.until(lambda: self.status().state == state)
        return self.status()

    def chunk(self, stamp_ns=None, n_points=15):
        """Return a chunk that moves each joint at 0.1 rad/s from where it is."""
        message = JointTrajectory(joint_names=JOINTS)
        message.header.stamp = ns_to_time(self.now_ns() if stamp_ns is None else stamp_ns)
        start = self.position()
        for k in range(n_points):
            point = JointTrajectoryPoint(positions=(start + 0.02 * k).tolist())
            point.time_from_start = ns_to_duration(k * 200 * MS)
            message.points.append(point)
        return message

    def follow(self, message=None, publish=None):
        """Publish a chunk, as the policy or by a function, and wait for what is sent for it.

        One that is late, since the machine is busy, is published again.
        """
        before, counts = len(self.sent), self.core_node._core.counts
        while len(self.sent) == before:
            late = counts.late
            (publish or self.chunks_out.publish)(message or self.chunk())
            self.until(lambda late=late: len(self.sent) > before or counts.late > late)
        return self.sent[-1]

    def until_moving(self):
        self.until(lambda: np.abs(self.state()[1]).max() > 0.05)

    def until_at_rest(self):
        self.until(lambda: not self.core_node._core.is_moving(self.now_ns()))

    def texts(self, monkeypatch):
        """Collect what the node warns of from now on."""
        warnings = []
        monkeypatch.setattr(self.core_node, '_warn', warnings.append)
        return warnings

    def refused(self, message):
        """Publish a chunk and wait until it is refused."""
        before, sent = self.status(), len(self.sent)
        self.chunks_out.publish(message)
        self.until(lambda: refusals(self.status()) == refusals(before) + 1)
        assert len(self.sent) == sent

    def call(self, name):
        future = self._clients[name].call_async(Trigger.Request())
        self.until(future.done)
        return future.result()

    def set(self, name, value):
        return self.core_node.set_parameters([Parameter(name, value=value)])[0]


def refusals(status):
    return status.chunks_refused + status.chunks_late


def assert_ends_at_rest(message):
    last = message.points[-1]
    assert not any(last.velocities) and not any(last.accelerations)
    assert len(last.velocities) == len(last.accelerations) == 7
