# SPDX-License-Identifier: Apache-2.0
"""The node `gripper`: converts a policy's continuous widths to few goals of a gripper."""

from __future__ import annotations

from functools import partial
from typing import Any

from action_msgs.msg import GoalStatus
from dp_ros.control.gripper.finger_width import TargetRefused
from dp_ros.control.gripper.gripper import Flight, GripperCore, Kind
from dp_ros.nodes.gripper.actions import gripper_actions
from dp_ros.nodes.gripper.parameters import PARAMETERS, check, gripper_config
from dp_ros.robot.trajectory import Trajectory
from dp_ros.ros.clock_watch import ClockWatch, on_jump_back
from dp_ros.ros.conversions import time_to_ns, trajectory_from_msg
from dp_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from dp_ros.ros.ending import EndingNode
from dp_ros.ros.live_parameters import LiveParameters, Values
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import NEWEST
from dp_ros_msgs.msg import ExecutorStatus
from rclpy.action import ActionClient
from rclpy.clock import TimeJump
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

_TICK = 0.02
_THROTTLE = 5.0


class GripperNode(EndingNode):
    """Sends one goal at a time; a goal that is outdated when its turn comes is not sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('gripper', **kwargs)
        self._values = LiveParameters(self, PARAMETERS, check, self._apply)
        self._core = GripperCore(gripper_config(self._values.values))
        self._actions = gripper_actions(self._values.values)
        self._senders = {
            kind: ActionClient(self, action.kind, action.name)
            for kind, action in self._actions.items()
        }
        self._accepted: Any = None
        self._said = self._failure = ''
        self.create_subscription(JointTrajectory, 'gripper/target', self._on_target, NEWEST)
        self.create_subscription(
            JointState, self._values['joint_states'], self._on_joints, qos_profile_sensor_data
        )
        self.create_subscription(ExecutorStatus, 'executor/status', self._on_executor, NEWEST)
        self.create_timer(_TICK, self._tick)
        self._diagnostics = Diagnostics(self, self._report)
        self._jumps = on_jump_back(self, self._on_jump)
        self._clock_watch = ClockWatch(self, self._on_set_back)

    def _apply(self, values: Values) -> None:
        self._core.config = gripper_config(values)

    # ---- inputs

    def _on_target(self, message: JointTrajectory) -> None:
        try:
            self._core.on_target(self._read(message), self._now_ns())
        except TargetRefused as error:
            self._core.counts.refused += 1
            self._warn(f'gripper/target refused: {error}')

    def _read(self, message: JointTrajectory) -> Trajectory:
        self._core.counts.targets += 1
        try:
            return trajectory_from_msg(message)
        except ValueError as error:
            raise TargetRefused(str(error)) from error

    def _on_joints(self, message: JointState) -> None:
        config = self._core.config
        positions = dict(zip(message.name, message.position, strict=False))
        values = [positions[name] for name in config.fingers if name in positions]
        if values:
            stamp_ns = time_to_ns(message.header.stamp)
            self._core.on_width(stamp_ns, config.scale.width(sum(values) / len(values)))

    def _on_executor(self, status: ExecutorStatus) -> None:
        if status.inhibited_by:
            self._core.drop()

    def _on_jump(self, jump: TimeJump) -> None:
        self.get_logger().warning('the clock jumped back: forgetting the wanted widths')
        self._core.forget()

    def _on_set_back(self, seconds: float) -> None:
        self.get_logger().warning(
            f'the clock was set back by {seconds:.1f} s: forgetting the wanted widths'
        )
        self._core.forget()

    # ---- goals

    def _tick(self) -> None:
        flight = self._core.tick(self._now_ns(), ready=not self._absent())
        if flight is not None:
            self._send(flight)
        current = self._core.flight
        if current is not None and current.overdue and self._accepted is not None:
            self._accepted.cancel_goal_async()
            self._accepted = None

    def _absent(self) -> list[str]:
        return [
            self._actions[kind].name
            for kind, client in self._senders.items()
            if not client.server_is_ready()
        ]

    def _send(self, flight: Flight) -> None:
        goal = flight.goal
        self.get_logger().info(f'{goal.kind.value}: {goal.width:.3f} m wanted')
        self._accepted = None
        message = self._actions[goal.kind].write(goal, self._values.values)
        future = self._senders[goal.kind].send_goal_async(message)
        future.add_done_callback(partial(self._on_answer, flight))

    def _on_answer(self, flight: Flight, future: Future) -> None:
        handle = future.result()
        if not handle.accepted:
            self._finish(flight, False, 'the gripper rejected it')
            return
        if self._core.awaits(flight):
            self._core.on_accepted(flight)
            self._accepted = handle
        else:
            handle.cancel_goal_async()
        handle.get_result_async().add_done_callback(partial(self._on_result, flight))

    def _on_result(self, flight: Flight, future: Future) -> None:
        answer = future.result()
        ok, error = self._actions[flight.goal.kind].read(answer.result)
        if answer.status == GoalStatus.STATUS_CANCELED:
            error = 'cancelled'
        self._finish(flight, ok, error)

    def _finish(self, flight: Flight, ok: bool, error: str) -> None:
        self._core.on_finished(flight, ok, error)
        goal = flight.goal
        self._failure = '' if ok else f'{goal.kind.value} to {goal.width:.3f} m failed'
        if ok:
            return
        nothing = 'nothing is held' if goal.kind is Kind.GRASP else 'is something in the way?'
        self._failure += f': {error or nothing}'
        self._warn(self._failure)

    # ---- what is said

    def _report(self) -> Report:
        core, counts, fault = self._core, self._core.counts, self._fault()
        if fault != self._said:
            self._said = fault
            if fault:
                self.get_logger().error(fault)
            else:
                self.get_logger().info('the gripper answers')
        values = {
            'targets': counts.targets,
            'targets refused': counts.refused,
            'goals sent': counts.sent,
            'goals skipped': counts.skipped,
            'goals failed': counts.failed,
            'latency [s]': core.latency,
        }
        if fault:
            return ERROR, fault, values
        if self._failure:
            return WARN, self._failure, values
        return OK, 'a goal is on its way' if core.flight else 'ready', values

    def _fault(self) -> str:
        absent = self._absent()
        if absent:
            return f'no action server {absent[0]}: is the driver of the gripper up?'
        fault = self._core.fault
        return f'{fault}: is the driver of the gripper alive?' if fault else ''

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=_THROTTLE)


def main() -> int:
    """Run the node."""
    return run_node(GripperNode)
