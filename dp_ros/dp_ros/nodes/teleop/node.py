# SPDX-License-Identifier: Apache-2.0
"""The node `teleop`: moves the arm as a person says, and records episodes at their buttons."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from dp_ros.control.executor.chunk import Chunk
from dp_ros.control.teleop.inputs import Action, InputRefused, JoyReader, TwistInput
from dp_ros.control.teleop.leader import LeaderInput
from dp_ros.control.teleop.teleop import Teleop, Wish
from dp_ros.nodes.teleop.buttons import TeleopButtons
from dp_ros.nodes.teleop.parameters import (
    PARAMETERS,
    check,
    joy_mapping,
    leader_config,
    teleop_config,
)
from dp_ros.robot.arm_model import ArmModel, by_name, read_arm
from dp_ros.robot.joint_names import in_order
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS
from dp_ros.ros.clock_watch import ClockWatch, on_jump_back
from dp_ros.ros.conversions import time_to_ns, trajectory_from_msg, trajectory_to_msg
from dp_ros.ros.described_arm import DescribedArm
from dp_ros.ros.diagnostics import OK, WARN, Diagnostics, Report
from dp_ros.ros.live_parameters import LiveParameters, Values
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import EVERY, LATCHED, NEWEST
from dp_ros_msgs.msg import ExecutorStatus
from geometry_msgs.msg import TwistStamped
from rclpy.clock import Clock, ClockType, TimeJump
from rclpy.node import Node
from rclpy.qos import (
    qos_profile_sensor_data,
)
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

_FOLLOWS = (ExecutorStatus.WAITING, ExecutorStatus.RUNNING, ExecutorStatus.BRAKING)
_STATUS_NS = NS  # The executor publishes its state ten times as often.
_REPEAT_NS = 2 * NS
_BELL = '\a'
_CLOCKS = 'are clocks synchronized? Beside a simulation use_sim_time has to be true'


class TeleopNode(Node):
    """Sends chunks to the executor, as a policy does, while an input asks for motion."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('teleop', **kwargs)
        self._values = LiveParameters(self, PARAMETERS, check, self._apply)
        values = self._values.values
        joints = values['joint_names']
        model = by_name(joints)
        self._core = Teleop(joints, values['gripper_joint_names'], model, teleop_config(values))
        self._joy = JoyReader(joy_mapping(values))
        self._twist = TwistInput(
            values['max_linear_velocity'], values['max_angular_velocity'], model
        )
        self._arm: DescribedArm[ArmModel] = DescribedArm(self, self._on_description)
        frames = {name: values[name] for name in ('base_frame', 'tool_frame')}
        self._arm.expect(partial(read_arm, joint_names=joints, **frames), model)
        self._leader = LeaderInput(
            values['leader_joint_names'], values['leader_gripper_joint'], leader_config(values)
        )
        self._executor: tuple[int, ExecutorStatus] | None = None
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._warned_ns: dict[str, int] = {}
        self._is_leader, self._is_heard = values['device'] == 'leader', False
        if not self._is_leader:
            self._core.hold('the input has to be released first')
        self._create_interface()

    def _create_interface(self) -> None:
        self._chunks = self.create_publisher(JointTrajectory, 'teleop/chunk', NEWEST)
        self._status = self.create_publisher(String, 'teleop/status', LATCHED)
        self._buttons = TeleopButtons(self, self._say, lambda: self._values['instruction'])
        self.create_subscription(Joy, 'joy', self._on_joy, EVERY)
        self.create_subscription(TwistStamped, 'teleop/twist', self._on_twist, NEWEST)
        self.create_subscription(
            JointState, 'teleop/leader', self._on_leader, qos_profile_sensor_data
        )
        self.create_subscription(
            JointState, 'joint_states', self._on_joints, qos_profile_sensor_data
        )
        commands = f'{self._values["controller_name"]}/joint_trajectory'
        self.create_subscription(JointTrajectory, commands, self._on_command, NEWEST)
        self.create_subscription(ExecutorStatus, 'executor/status', self._on_executor, EVERY)
        if self._values['device'] != 'guiding':
            self.create_timer(1 / self._values['rate'], self._tick)
        self._diagnostics = Diagnostics(self, self._report)
        self._jumps = on_jump_back(self, self._on_jump)
        self._clock_watch = ClockWatch(self, self._on_set_back)

    def destroy_node(self) -> None:
        """Brake before the publishers go."""
        if self._values['device'] != 'guiding':
            self._send(self._core.tick(None, 0, self._now_ns()))
        super().destroy_node()

    def _apply(self, values: Values) -> None:
        self._core.config = teleop_config(values)
        self._joy.mapping = joy_mapping(values)
        self._twist.set_limits(values['max_linear_velocity'], values['max_angular_velocity'])
        self._leader.config = leader_config(values)

    # ---- inputs

    def _on_description(self) -> None:
        model = self._arm.model
        if model is not None:
            self.get_logger().info(f'robot_description describes {model.summary}')
        self._core.adopt(model)
        self._twist.model = model

    def _on_joints(self, message: JointState) -> None:
        # A hand may publish its joints on this topic in messages of their own.
        if self._is_heard and self._core.joint_names[0] not in message.name:
            return
        try:
            values = in_order(self._core.joint_names, message.name, message.position)
        except ValueError as error:
            self._warn(f'joint_states: {error}')
            return
        self._is_heard = True
        stamp_ns = time_to_ns(message.header.stamp)
        age = self._age(stamp_ns)
        if abs(age) > self._core.config.joint_state_timeout:
            self._warn(f'joint_states is stamped {age:.2f} s ago: {_CLOCKS}')
        self._core.on_joints(stamp_ns, values)

    def _on_command(self, message: JointTrajectory) -> None:
        with suppress(ValueError):  # The controller rejects it with the reason.
            self._core.on_command(trajectory_from_msg(message), self._now_ns())

    def _on_executor(self, message: ExecutorStatus) -> None:
        self._executor = self._now_ns(), message
        self._core.speed_scale = message.speed_scale

    def _on_joy(self, message: Joy) -> None:
        try:
            shares, actions = self._joy.read(message.axes, message.buttons)
            if self._values['device'] == 'gamepad':
                self._twist.set_shares(shares, self._values['frame'] == 'tool', self._now_ns())
        except InputRefused as refused:
            self._refuse(refused)
            return
        if Action.GRIPPER in actions:
            self._toggle_gripper()
        self._buttons.press(actions)

    def _on_twist(self, message: TwistStamped) -> None:
        if not self._is_from('twist'):
            return
        linear, angular = message.twist.linear, message.twist.angular
        twist = [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z]
        try:
            self._check_age(time_to_ns(message.header.stamp))
            self._twist.set(twist, self._is_tool(message.header.frame_id), self._now_ns())
        except InputRefused as refused:
            self._refuse(refused)

    def _on_leader(self, message: JointState) -> None:
        if not self._is_from('leader'):
            return
        try:
            self._leader.set(message.name, message.position, self._now_ns())
        except InputRefused as refused:
            self._refuse(refused)
            return
        if self._leader.opening is not None:
            self._open_gripper(self._leader.opening)

    def _is_from(self, device: str) -> bool:
        chosen = self._values['device']
        if device != chosen:
            self._warn(f'teleop/{device} is not followed: the parameter device is {chosen!r}')
        return bool(device == chosen)

    def _check_age(self, stamp_ns: int) -> None:
        age = self._age(stamp_ns)
        if stamp_ns and abs(age) > self._values['input_timeout']:
            raise InputRefused(f'twist is stamped {age:.2f} s ago: {_CLOCKS}')

    def _is_tool(self, frame_id: str) -> bool:
        base, tool = self._values['base_frame'], self._values['tool_frame']
        if frame_id not in ('', base, tool):
            raise InputRefused(f'twist in frame {frame_id!r}: needs {base!r} or {tool!r}')
        return frame_id == tool if frame_id else self._values['frame'] == 'tool'

    def _on_jump(self, jump: TimeJump) -> None:
        self._forget()

    def _on_set_back(self, seconds: float) -> None:
        self._warn(f'the clock was set back by {seconds:.1f} s: release the input, then go on')
        self._forget()
        self._core.hold('the clock was set back')

    def _forget(self) -> None:
        self._core.forget()
        self._twist.clear()
        self._leader.release()
        self._executor = None

    # ---- outputs

    def _tick(self) -> None:
        now_ns = self._now_ns()
        forbidden = self._forbidden(now_ns)
        if forbidden:
            self._core.hold(forbidden)
        wish, input_ns = self._wish(now_ns)
        why = self._core.reason or self._core.obstacle(now_ns)
        if wish is not None and why:
            status = self._executor[1].reason if self._executor else ''
            self._warn(f'the arm does not move: {why} (executor: {status})')
        if self._core.reason and self._is_leader:
            wish = None  # A leader is never released: it is approached slowly again instead.
            self._leader.release()
        if not forbidden:
            self._send(self._core.tick(wish, input_ns, now_ns))

    def _wish(self, now_ns: int) -> tuple[Wish | None, int]:
        source = self._leader if self._is_leader else self._twist
        position = self._core.position(now_ns)
        if position is None:
            return None, 0
        try:
            wish = source.wish(position)
        except InputRefused as refused:
            self._warn(str(refused))
            return None, 0
        if self._is_leader and self._leader.approach:
            self._warn(self._leader.approach)
        return wish, source.stamp_ns

    def _forbidden(self, now_ns: int) -> str:
        """Return why the arm may not be moved; empty when the executor would follow."""
        if self._arm.model is None:
            return str(self._arm.misfit)
        if self._executor is None or now_ns - self._executor[0] > _STATUS_NS:
            return 'nothing on executor/status: is the executor running?'
        status = self._executor[1]
        return '' if status.state in _FOLLOWS else 'the executor does not follow'

    def _send(self, chunk: Chunk | None) -> None:
        if chunk is not None:
            trajectory = Trajectory(
                chunk.joint_names, chunk.stamp_ns, chunk.times, chunk.positions
            )
            self._chunks.publish(trajectory_to_msg(trajectory))

    def _toggle_gripper(self) -> None:
        if not self._core.finger_names:
            self._say('no gripper: set gripper_joint_names')
            return
        is_closed = self._core.finger == self._values['gripper_closed']
        self._open_gripper(1.0 if is_closed else 0.0)

    def _open_gripper(self, opening: float) -> None:
        closed, opened = self._values['gripper_closed'], self._values['gripper_open']
        self._core.set_finger(closed + opening * (opened - closed), self._now_ns())

    # ---- what is said

    def _refuse(self, refused: InputRefused) -> None:
        self._twist.clear()
        self._warn(str(refused))

    def _say(self, text: str) -> None:
        """Publish a line for the person, with a bell."""
        self.get_logger().info(text + _BELL)
        self._status.publish(String(data=text))

    def _warn(self, text: str) -> None:
        """Publish a warning for the person; a repeated one only every two seconds."""
        now_ns, matter = self._steady.now().nanoseconds, text.partition(':')[0]
        if now_ns - self._warned_ns.get(matter, -_REPEAT_NS) >= _REPEAT_NS:
            self._warned_ns[matter] = now_ns
            self.get_logger().warning(text)
            self._status.publish(String(data=text))

    def _report(self) -> Report:
        device, reason = self._values['device'], self._core.reason
        values = {'device': device, 'gripper': self._core.finger}
        if device == 'guiding':
            return OK, 'buttons only: the arm is guided by hand', values
        return (WARN, reason, values) if reason else (OK, 'ready', values)

    def _age(self, stamp_ns: int) -> float:
        """Return how long ago a stamp was [s]."""
        return (self._now_ns() - stamp_ns) / NS

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> int:
    """Run the node."""
    return run_node(TeleopNode)
