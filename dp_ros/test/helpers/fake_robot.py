# SPDX-License-Identifier: Apache-2.0
"""A Franka as franka_ros2 shows it: controller manager, controllers, hardware, robot state."""

import time

from controller_manager_msgs.msg import ControllerState, HardwareComponentState, HardwareInterface
from controller_manager_msgs.srv import (
    ListControllers,
    ListHardwareComponents,
    SetHardwareComponentState,
    SwitchController,
)
from dp_ros.control.checks.controller import CONTROLLER_TYPE
from dp_ros.control.checks.robot_watch import Mode
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import MS, NS
from dp_ros.ros.conversions import ns_to_duration, ns_to_time, trajectory_from_msg
from dp_ros.ros.ending import EndingNode
from dp_ros.sim.urdf import robot_description
from dp_ros_msgs.msg import ExecutorStatus
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
import numpy as np
from rclpy.action import ActionServer
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from upstream_controller import rejection

JOINTS = list(JOINT_NAMES)
HOME = np.array([0.0, -0.78, 0.0, -2.36, 0.0, 1.57, 0.78])
QOS = QoSProfile(depth=50)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CONTROLLER = 'fr3_arm_controller'
BROADCASTER = 'franka_robot_state_broadcaster'
PARAMETERS = {
    'command_interfaces': ['effort'],
    'allow_nonzero_velocity_at_trajectory_end': False,
    'interpolate_from_desired_state': True,
}
PERIOD = 0.02


class FakeRobot:
    """The arm's side of every interface, in nodes of its own; ``calls`` records the order.

    What it is asked for it does, unless its name is among ``refuses``. ``stamps`` [ns] and
    ``commands`` [rad] are what it was commanded at every millisecond.
    """

    def __init__(
        self, context, namespace='', description=None, names=JOINTS, home=HOME, **parameters
    ):
        self.names = list(names)
        self.calls, self.refuses, self.sent = [], set(), []
        self.stamps, self.commands = [], []
        self.hardware, self.mode, self.errors, self.last_errors = 'active', Mode.MOVE, [], []
        self.states = {'joint_state_broadcaster': 'active', BROADCASTER: 'active'}
        self.states[CONTROLLER] = 'active'
        self.reference = TrajectoryReference(names, np.asarray(home))
        given = {'context': context, 'namespace': namespace}
        self.controller = Node(CONTROLLER, **given)
        self.manager = Node('controller_manager', **given)
        self.server = EndingNode('action_server', **given)
        self.nodes = (self.controller, self.manager, self.server)
        for name, value in {**PARAMETERS, 'joints': self.names, **parameters}.items():
            self.controller.declare_parameter(name, value)
        self._serve()
        text = robot_description('base') if description is None else description
        self.description = self.manager.create_publisher(String, 'robot_description', LATCHED)
        self.description.publish(String(data=text))
        self.joints_out = self.manager.create_publisher(JointState, 'joint_states', QOS)
        self.state_out = self.manager.create_publisher(
            FrankaRobotState, f'{BROADCASTER}/robot_state', QOS
        )
        self._system = Clock(clock_type=ClockType.SYSTEM_TIME)
        self._next_ns = self.now_ns()
        self.manager.create_timer(PERIOD, self._publish)

    def _serve(self):
        self.controller.create_subscription(
            JointTrajectory, '~/joint_trajectory', self._on_command, QOS
        )
        for kind, name, callback in (
            (ListControllers, 'list_controllers', self._list),
            (ListHardwareComponents, 'list_hardware_components', self._list_hardware),
            (SetHardwareComponentState, 'set_hardware_component_state', self._set_hardware),
            (SwitchController, 'switch_controller', self._switch),
        ):
            self.manager.create_service(kind, f'~/{name}', callback)
        self.recovery = ActionServer(
            self.server, ErrorRecovery, '~/error_recovery', self._on_recovery
        )

    def close(self):
        self.recovery.destroy()
        for node in self.nodes:
            node.destroy_node()

    def fall(self, mode, *errors):
        """Stop as franka_ros2 does after an error: hardware and controllers go, silently.

        Whatever it hit has pushed the arm aside.
        """
        self.reference = TrajectoryReference(self.names, self.position() + 0.1)
        self.mode, self.last_errors = mode, list(errors)
        self.hardware = 'unconfigured'
        self.states = dict.fromkeys(self.states, 'inactive')

    def now_ns(self):
        return self.manager.get_clock().now().nanoseconds

    def position(self):
        return self.reference.sample(np.array([self.now_ns()]))[0][0]

    # ---- what it answers

    def _on_command(self, message, info):
        """Follow a trajectory from when it came: this process may read it much later."""
        age_ns = self._system.now().nanoseconds - info['received_timestamp']
        now_ns = self.now_ns() - max(0, age_ns)
        refused = 'refused' if 'trajectories' in self.refuses else None
        reason = refused or rejection(message, self.names, now_ns)
        if reason is not None:
            self.controller.get_logger().error(reason)
        elif self.states[CONTROLLER] == 'active':
            self._record(now_ns)
            self.reference.accept(trajectory_from_msg(message), now_ns)
            self.sent.append(message)

    def _record(self, until_ns):
        """Record commands up to a time, and forget what was recorded for later."""
        while self.stamps and self.stamps[-1] >= until_ns:
            self._next_ns = self.stamps.pop()
            self.commands.pop()
        times = np.arange(self._next_ns, until_ns, MS)
        self._next_ns += len(times) * MS
        self.stamps += times.tolist()
        self.commands += self.reference.sample(times)[0].tolist()

    def _publish(self):
        self._record(self.now_ns())
        if self.hardware != 'active':
            return
        if self.states['joint_state_broadcaster'] == 'active':
            message = JointState(name=self.names, position=self.position().tolist())
            message.header.stamp = ns_to_time(self.now_ns())
            self.joints_out.publish(message)
        if self.states[BROADCASTER] == 'active':
            state = FrankaRobotState(robot_mode=self.mode)
            for errors, names in (
                (state.current_errors, self.errors),
                (state.last_motion_errors, self.last_errors),
            ):
                for name in names:
                    setattr(errors, name, True)
            self.state_out.publish(state)

    def _list(self, request, response):
        efforts = [f'{joint}/effort' for joint in self.names]
        for name, state in self.states.items():
            arm = name == CONTROLLER
            response.controller.append(
                ControllerState(
                    name=name,
                    type=CONTROLLER_TYPE if arm else 'a/Broadcaster',
                    state=state,
                    claimed_interfaces=efforts if arm and state == 'active' else [],
                    required_command_interfaces=efforts if arm else [],
                )
            )
        return response

    def _list_hardware(self, request, response):
        component = HardwareComponentState(name='FrankaHardwareInterface')
        component.state.label = self.hardware
        component.command_interfaces = [HardwareInterface(name=f'{j}/effort') for j in self.names]
        response.component = [component]
        return response

    def _set_hardware(self, request, response):
        self.calls.append(f'{request.name} {request.target_state.label}')
        response.ok = 'hardware' not in self.refuses
        if response.ok:
            self.hardware = request.target_state.label
        response.state.label = self.hardware
        return response

    def _switch(self, request, response):
        self.calls.append(f'activate {" ".join(sorted(request.activate_controllers))}')
        response.ok = self.hardware == 'active' and 'switch' not in self.refuses
        response.message = '' if response.ok else 'a joint is claimed'
        if response.ok:
            self.states |= dict.fromkeys(request.activate_controllers, 'active')
            self.reference = TrajectoryReference(self.names, self.position())
        return response

    def _on_recovery(self, goal):
        self.calls.append('error_recovery')
        if 'error_recovery' in self.refuses:
            goal.abort()
        else:
            goal.succeed()
            self.mode, self.errors = Mode.MOVE, []
        return ErrorRecovery.Result()


class Bench:
    """The executor, a robot, and one that plays the policy and the user."""

    def __init__(self, context, node, *robots, namespace=''):
        self.node, self.robots = node, robots
        self.user = Node('user', context=context, namespace=namespace)
        self.executor = SingleThreadedExecutor(context=context)
        for each in (node, self.user, *(n for robot in robots for n in robot.nodes)):
            self.executor.add_node(each)
        self.statuses = []
        self.user.create_subscription(ExecutorStatus, 'executor/status', self.statuses.append, QOS)
        self.chunks = self.user.create_publisher(JointTrajectory, 'policy/chunk', QOS)
        self.until(self.chunks.get_subscription_count)

    def close(self):
        self.node.destroy_node()
        self.user.destroy_node()
        for robot in self.robots:
            robot.close()

    def until(self, condition, deadline=60.0):
        end = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < end, self.statuses[-1:]
            self.executor.spin_once(timeout_sec=PERIOD)

    @property
    def status(self):
        return self.statuses[-1] if self.statuses else ExecutorStatus()

    def until_reason(self, *texts):
        self.until(lambda: all(text in self.status.reason for text in texts))
        return self.status

    def call(self, name):
        client = self.user.create_client(Trigger, f'executor/{name}')
        self.until(client.service_is_ready)
        future = client.call_async(Trigger.Request())
        self.until(future.done)
        return future.result()

    def follow(self, start):
        """Publish a chunk until one is followed: a busy machine is late with some."""
        (robot,) = self.robots
        before = len(robot.sent)
        while len(robot.sent) == before:
            late = self.status.chunks_late
            self.publish_chunk(start)
            self.until(
                lambda late=late: len(robot.sent) > before or self.status.chunks_late > late
            )

    def publish_chunk(self, start, stamp_ns=None):
        """Publish a chunk that moves each joint at 0.1 rad/s; return its stamp."""
        stamp_ns = self.user.get_clock().now().nanoseconds if stamp_ns is None else stamp_ns
        times = np.arange(15) * 0.2
        names = self.robots[0].names if self.robots else JOINTS
        self.chunks.publish(chunk_message(stamp_ns, times, start + 0.1 * times[:, None], names))
        before = self.status.chunks_received
        self.until(lambda: self.status.chunks_received > before)
        return stamp_ns


def chunk_message(stamp_ns, times, positions, names=JOINTS):
    """Make a chunk of positions (n_points, n_joints) [rad] at times [s] from its stamp."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = ns_to_time(stamp_ns)
    for time_s, position in zip(times.tolist(), positions.tolist(), strict=True):
        point = JointTrajectoryPoint(positions=position)
        point.time_from_start = ns_to_duration(round(time_s * NS))
        message.points.append(point)
    return message
