# SPDX-License-Identifier: Apache-2.0
"""The node `fake_gripper`: the interface of franka_gripper without a Hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from control_msgs.action import GripperCommand
from dp_ros.control.gripper.fake_hand import STROKE, Command, CommandOutcome, FakeHand
from dp_ros.nodes.fake_gripper.parameters import PARAMETERS
from dp_ros.robot.trajectory import Trajectory
from dp_ros.ros.clock_watch import ClockWatch, on_jump_back
from dp_ros.ros.conversions import time_to_ns, trajectory_to_msg
from dp_ros.ros.diagnostics import OK, Diagnostics, Report
from dp_ros.ros.ending import EndingNode
from dp_ros.ros.franka_actions import franka_actions
from dp_ros.ros.live_parameters import LiveParameters, Values
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import NEWEST
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import TimeJump
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

_TICK = 0.02
_HOMING_SPEED = 0.1
_DEFAULT_SPEED = 0.1
_DEFAULT_EPSILON = (0.005, 0.005)


class FakeGripperNode(EndingNode):
    """Serves `franka_gripper/{move,grasp,homing,gripper_action,stop}`, one goal at a time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('fake_gripper', **kwargs)
        self._values = LiveParameters(self, PARAMETERS, _check, self._apply)
        self._fingers = self._values['finger_joint_names']
        self._hand = FakeHand(self._fingers, self._values['latency'])
        self._apply(self._values.values)
        self._served = 0
        self._motions = self.create_publisher(JointTrajectory, 'gripper/joint_trajectory', NEWEST)
        self._states = self.create_publisher(
            JointState, 'franka_gripper/joint_states', qos_profile_sensor_data
        )
        if self._values['follow_joint_states']:
            self.create_subscription(
                JointState, 'joint_states', self._on_joints, qos_profile_sensor_data
            )
        self._create_servers()
        self.create_timer(_TICK, self._tick)
        self.create_timer(1 / self._values['joint_state_rate'], self._publish_state)
        self._diagnostics = Diagnostics(self, self._report)
        self._jumps = on_jump_back(self, self._on_jump)
        self._clock_watch = ClockWatch(self, self._on_set_back)

    def _create_servers(self) -> None:
        franka = franka_actions()
        self._servers = [
            ActionServer(
                self,
                action,
                f'franka_gripper/{name}',
                _never_called,
                handle_accepted_callback=partial(self._on_goal, action, command),
                cancel_callback=lambda handle: CancelResponse.ACCEPT,
            )
            for action, name, command in (
                (franka.Move, 'move', _move),
                (franka.Grasp, 'grasp', _grasp),
                (franka.Homing, 'homing', _homing),
                (GripperCommand, 'gripper_action', self._gripper_command),
            )
        ]
        self.create_service(Trigger, 'franka_gripper/stop', self._on_stop)

    def _apply(self, values: Values) -> None:
        self._hand.latency = values['latency']
        self._hand.object_width = values['object_width']

    # ---- inputs

    def _on_goal(
        self, action: Any, command: Callable[[Any], Command], handle: ServerGoalHandle
    ) -> None:
        self._hand.submit(replace(command(handle.request), token=(action, handle)))

    def _gripper_command(self, goal: GripperCommand.Goal) -> Command:
        """Convert a goal, the position of one finger: opening is a motion, closing a grasp."""
        width = 2 * goal.command.position
        opens = width >= self._hand.width(self._now_ns())
        return Command((width,), _DEFAULT_SPEED, None if opens else _DEFAULT_EPSILON)

    def _on_joints(self, message: JointState) -> None:
        positions = dict(zip(message.name, message.position, strict=False))
        if all(name in positions for name in self._fingers):
            width = sum(positions[name] for name in self._fingers)
            self._hand.on_width(time_to_ns(message.header.stamp), width)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stop()
        response.success = True
        return response

    def _on_jump(self, jump: TimeJump) -> None:
        self.get_logger().warning('the clock jumped back: the goals are stopped')
        self._stop()

    def _on_set_back(self, seconds: float) -> None:
        self.get_logger().warning(
            f'the clock was set back by {seconds:.1f} s: the goals are stopped'
        )
        self._stop()

    # ---- outputs

    def _tick(self) -> None:
        running = self._hand.running
        if running is not None and running.token[1].is_cancel_requested:
            self._stop()
        motion, outcome = self._hand.tick(self._now_ns())
        self._send(motion)
        if outcome is not None:
            self._finish(outcome)

    def _stop(self) -> None:
        motion, outcomes = self._hand.stop(self._now_ns())
        self._send(motion)
        for outcome in outcomes:
            self._finish(outcome)

    def _send(self, motion: Trajectory | None) -> None:
        if motion is not None:
            self._motions.publish(trajectory_to_msg(motion))

    def _finish(self, outcome: CommandOutcome) -> None:
        self._served += 1
        action, handle = outcome.command.token
        handle.execute(partial(self._end, action, outcome))

    def _end(self, action: Any, outcome: CommandOutcome, handle: ServerGoalHandle) -> Any:
        """End a goal and return its result; rclpy takes this for the goal's execution."""
        if handle.is_cancel_requested:
            handle.canceled()
        elif outcome.success:
            handle.succeed()
        else:
            handle.abort()
        if action is GripperCommand:
            width = self._hand.width(self._now_ns())
            return GripperCommand.Result(position=width, reached_goal=outcome.success)
        return action.Result(success=outcome.success, error=outcome.error)

    def _publish_state(self) -> None:
        width = self._hand.width(self._now_ns())
        message = JointState(name=self._fingers, position=[width / 2] * len(self._fingers))
        message.header.stamp = self.get_clock().now().to_msg()
        self._states.publish(message)

    def _report(self) -> Report:
        width = self._hand.width(self._now_ns())
        return OK, 'ready (fake gripper)', {'width [m]': width, 'goals': self._served}

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _move(goal: Any) -> Command:
    return Command((goal.width,), goal.speed)


def _grasp(goal: Any) -> Command:
    return Command((goal.width,), goal.speed, (goal.epsilon.inner, goal.epsilon.outer))


def _homing(goal: Any) -> Command:
    return Command((0.0, STROKE), _HOMING_SPEED)


def _never_called(handle: ServerGoalHandle) -> None:
    """Satisfy rclpy, which needs an execution; each goal gets its own when it ends."""
    raise AssertionError


def _check(values: Values) -> str | None:
    if len(values['finger_joint_names']) != 2:
        return f'finger_joint_names = {values["finger_joint_names"]}: needs two'
    return None


def main() -> int:
    """Run the node."""
    return run_node(FakeGripperNode)
