# SPDX-License-Identifier: Apache-2.0
"""The node `executor`: follows the policy's chunks with the arm's trajectory controller."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from dp_ros.control.executor.chunk import Chunk, ChunkLate, ChunkRefused, check_size
from dp_ros.control.executor.chunk_executor import TICK, ChunkExecutor
from dp_ros.control.executor.deadman import Deadman
from dp_ros.control.executor.interlocks import ESTOP, PAUSE, PUBLISHERS, STOP, Phase
from dp_ros.control.executor.sources import POLICY, START, TELEOP, Sources
from dp_ros.control.executor.way_to_start import WayToStart
from dp_ros.nodes.executor.command_topic import CommandTopic
from dp_ros.nodes.executor.joy_watch import JoyWatch
from dp_ros.nodes.executor.parameters import PARAMETERS, check, executor_config
from dp_ros.nodes.executor.planning import Planning, Prepared
from dp_ros.nodes.executor.publisher_watch import PublisherWatch
from dp_ros.nodes.executor.robot_link import RobotLink
from dp_ros.nodes.executor.start_pose import start_pose, task_of
from dp_ros.robot.arm_model import ArmModel, by_name
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS
from dp_ros.ros.autostart import autostart
from dp_ros.ros.clock_watch import ClockWatch, on_jump_back
from dp_ros.ros.contract import ContractTopic
from dp_ros.ros.conversions import (
    ns_to_time,
    time_to_ns,
    trajectory_from_msg,
    trajectory_to_msg,
)
from dp_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from dp_ros.ros.garbage import Garbage
from dp_ros.ros.lifecycle import CheckedLifecycleNode
from dp_ros.ros.live_parameters import LiveParameters, Values
from dp_ros.ros.node_main import run_node
from dp_ros.ros.polled_topic import PolledTopic
from dp_ros.ros.qos import EVERY, FEW_SENSOR, NEWEST
from dp_ros.ros.real_time import ask_for_real_time
from dp_ros.task.task import Task
from dp_ros_msgs.msg import ExecutorStatus
from rclpy.clock import TimeJump
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

_STATUS = 0.1
_THROTTLE = 5.0


class ExecutorNode(CheckedLifecycleNode):
    """Sends trajectories while it is active; brakes before it becomes inactive.

    Chunks are planned one after the other in a thread of their own, so that a stop never waits for
    planning. Of the chunks that wait only the newest is planned.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('executor', **kwargs)
        self._values = LiveParameters(self, PARAMETERS, check, self._apply)
        self._topic = f'{self._values["controller_name"]}/joint_trajectory'
        self._task: Task | None = None
        self._file_task = task_of(self._values['task'])
        self._misfit = ''
        self._core = self._new_core()
        self._sources = Sources()
        self._way = WayToStart()
        self._overruled: str | None = None
        self._active = self._is_heard = False
        self._waiting: Chunk | None = None
        self._planned_pose = False
        self._planning = Planning(self, self._on_planned)
        self._garbage = Garbage()
        self._delivered_late = 0
        self._shown: tuple[Phase, str] | None = None
        self._create_interface()
        self._robot = RobotLink(
            self,
            self._values.values,
            self._commands.topic_name,
            self.inhibit,
            self.release,
            self._adopt,
        )
        button, timeout = self._values['deadman_button'], self._values['deadman_timeout']
        JoyWatch(self, Deadman(button, timeout), self.inhibit, self.permit)
        chunks = [chunk.topic_name for chunk in self._chunks]
        self._publisher_watch = PublisherWatch(
            self, self._commands.topic_name, chunks, self.inhibit, self.permit, self._hold
        )
        if self._values['autostart']:
            autostart(self)

    def _new_core(self) -> ChunkExecutor:
        values = self._values.values
        return ChunkExecutor(
            values['joint_names'],
            by_name(values['joint_names']),
            executor_config(values),
            values['gripper_joint_names'],
        )

    def _create_interface(self) -> None:
        self._commands = CommandTopic(self, self._topic)
        self._fingers = self.create_publisher(JointTrajectory, 'gripper/target', NEWEST)
        self._statuses = self.create_publisher(ExecutorStatus, 'executor/status', EVERY)
        self._joints = PolledTopic(self, JointState, 'joint_states', FEW_SENSOR)
        self._chunks = [
            self.create_subscription(
                JointTrajectory, f'{source}/chunk', partial(self._on_chunk, source=source), NEWEST
            )
            for source in (POLICY, TELEOP)
        ]
        for name, action in (
            ('pause', lambda: self.inhibit(PAUSE, 'paused')),
            ('stop', lambda: self.inhibit(STOP, 'stopped by service')),
            ('resume', self._resume),
            ('go_to_start', self._go_to_start),
            ('estop', lambda: self.inhibit(ESTOP, 'emergency stop: call ~/reset')),
            ('reset', self._reset),
            ('enable', lambda: self._execute(True) or self._held()),
            ('disable', lambda: self._execute(False)),
        ):
            self.create_service(Trigger, f'~/{name}', partial(self._answer, action))
        self.create_timer(TICK, self._tick)
        self.create_timer(_STATUS, self._publish_status)
        self._contract = ContractTopic(self, self._on_contract)
        self._diagnostics = Diagnostics(self, self._report)
        self._jumps = on_jump_back(self, self._on_jump)
        self._clock_watch = ClockWatch(self, self._on_set_back)

    # ---- lifecycle

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Follow chunks from now on, from where the arm is."""
        self._core.restart(self._now_ns())
        self._sources = Sources()
        self._active = True
        self._garbage.set_aside()
        self._robot.renew()
        self.get_logger().info(f'following policy/chunk on {self._topic}')
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Accept nothing more, then brake."""
        self._halt()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Accept nothing more, then brake."""
        self._halt()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """Brake before the publishers go."""
        self._halt()
        self._planning.close()
        self._commands.close()
        self._garbage.close()
        super().destroy_node()

    def _halt(self) -> None:
        if self._active:
            self._active = False
            self._waiting = None
            self._way.end('the executor is not active')
            self._send(self._core.stop(self._now_ns(), 'the executor is not active'))

    # ---- inputs

    def _read_joints(self) -> None:
        messages = self._joints.every()
        # A hand may publish its joints on this topic in messages of their own.
        arm = [m for m in messages if self._core.joint_names[0] in m.name]
        self._is_heard |= bool(arm)
        if not messages or self._is_heard and not arm:
            return
        message = (arm or messages)[-1]
        try:
            stamp_ns = time_to_ns(message.header.stamp)
            now_ns = self._now_ns()
            self._send(self._core.on_joints(stamp_ns, now_ns, message.name, message.position))
        except ChunkRefused as error:
            self._warn(str(error))

    def _on_chunk(self, message: JointTrajectory, source: str = POLICY) -> None:
        if not self._active or not self._admit(source):
            return
        if source == POLICY and self._misfit:
            self._warn(f'chunk refused: {self._misfit}')
            self._core.refuse()
            return
        try:
            chunk = replace(self._chunk(message), smooth=source == TELEOP)
        except ChunkRefused as error:
            self._warn(f'chunk refused: {error}')
            return
        self._take(chunk)

    def _take(self, chunk: Chunk) -> None:
        """Plan a chunk as soon as the one before is planned."""
        if self._waiting is not None:
            self._core.superseded()
        self._waiting = chunk
        self._plan_next()

    def _plan_next(self) -> None:
        chunk = self._waiting
        if chunk is None or self._planning.busy:
            return
        self._waiting = None
        self._read_joints()
        try:
            request = self._core.request(chunk, self._now_ns())
        except ChunkRefused as error:
            self._refused(chunk.pose, error)
            return
        if request is not None:
            self._planned_pose = chunk.pose
            self._planning.start(request)

    def _refused(self, pose: bool, error: ChunkRefused) -> None:
        """Say why a chunk is not followed; one that leads to the start pose ends the way."""
        self._warn(f'chunk refused: {error}')
        if pose and not isinstance(error, ChunkLate):
            self._way.end(str(error))

    def _on_planned(self, job: Future[Prepared]) -> None:
        try:
            with self._core.counted():
                prepared = job.result()
            self._follow(prepared)
        except ChunkRefused as error:
            self._refused(self._planned_pose, error)
        finally:
            self._plan_next()

    def _follow(self, prepared: Prepared) -> None:
        """Send a plan; the clock is read when nothing is left to do before."""
        self._note_deliveries()
        trajectory = self._core.follow(prepared.planned, self._now_ns(), prepared.spent)
        if trajectory is not None:
            times = self._core.times
            self._commands.publish(prepared.message, (times.join_ns - times.sent_ns) / NS)
            if self._core.fingers is not None:
                self._fingers.publish(trajectory_to_msg(self._core.fingers))
            self._publish_status()
        if self._commands.get_subscription_count() == 0:
            self._warn(f'nobody listens on {self._topic}: is the controller loaded and active?')

    def _note_deliveries(self) -> None:
        for delivery in self._commands.deliveries():
            self._core.lead.delivered(delivery.took)
            if delivery.late:
                self._delivered_late += 1
                self._warn(
                    f'a trajectory took {delivery.took * 1e3:.0f} ms to its listeners, and had '
                    f'{delivery.allowed * 1e3:.0f} ms until its join: if the controller was among '
                    'those that heard it late, its command made a step'
                )

    def _admit(self, source: str) -> bool:
        """Tell whether a source's chunks are followed now; a new owner starts slowly."""
        before = self._sources.owner
        if not self._sources.admit(source, self._now_ns()):
            return False
        if source == TELEOP:
            self._way.end('a person has the arm')
        if before not in ('', source):
            self.get_logger().info(f'{source} has the arm now, {before} had it')
            if source == POLICY:
                self._core.start_slowly()
        return True

    def _chunk(self, message: JointTrajectory) -> Chunk:
        try:
            check_size(len(message.points))  # Reading very many points would delay a stop.
            read = trajectory_from_msg(message)
        except ValueError as error:
            self._core.refuse()
            raise ChunkRefused(str(error)) from error
        return Chunk(read.start_ns, read.joint_names, read.times, read.positions, self._now_ns())

    def _tick(self) -> None:
        self._note_deliveries()
        self._read_joints()
        self._read_foreign()
        if self._active:
            self._robot.tick()
            self._send(self._core.tick(self._now_ns()))
            self._go_on_to_start()
        self._garbage.tick(self._core.is_moving(self._now_ns()))
        if (self._core.phase, self._reason) != self._shown:
            self._publish_status()

    def _go_on_to_start(self) -> None:
        chunk = self._way.tick(self._core, self._now_ns())
        if chunk is not None:
            self._take(chunk)

    @property
    def _reason(self) -> str:
        """Reason of the phase; of an arm that rests, where its way to the start pose ended."""
        core = self._core
        rests = core.phase is Phase.WAITING and self._sources.owner == START
        return (self._way.said if rests else '') or core.reason

    def _read_foreign(self) -> None:
        """Stop if another node has commanded the arm; the graph tells its name."""
        for message, age_ns in self._commands.foreign():
            if self._active:
                self._overruled = reason = self._publisher_watch.foreign()
                self.get_logger().error(reason, throttle_duration_sec=_THROTTLE)
                now_ns = self._now_ns()
                trajectory = _readable(message)
                self._send(self._core.overruled(trajectory, now_ns - age_ns, now_ns, reason))

    def _on_jump(self, jump: TimeJump) -> None:
        self.get_logger().warning('the clock jumped back: forgetting where the arm was commanded')
        self._core.forget()

    def _on_set_back(self, seconds: float) -> None:
        self._core.forget()
        reason = f'the clock was set back by {seconds:.1f} s: call ~/resume when the arm rests'
        self._send(self._core.stop(self._now_ns(), reason))

    def _apply(self, values: Values) -> None:
        self._send(self._core.configure(executor_config(values, self._task), self._now_ns()))

    def _on_contract(self, task: Task | None, why: str) -> None:
        """Take the task the policy was trained for, or say why this arm cannot follow it."""
        self._task, self._misfit = task, why or self._difference(task)
        if self._misfit:
            self.get_logger().error(f'chunks of the policy are refused: {self._misfit}')
            return
        if task is not None and not self._values['gripper_joint_names']:
            self._core.finger_names = task.gripper_joints
        self._apply(self._values.values)

    def _difference(self, task: Task | None) -> str:
        if task is None:
            return ''
        for name, here, trained in (
            ('joint_names', self._core.joint_names, task.joints),
            ('gripper_joint_names', self._values['gripper_joint_names'], task.gripper_joints),
        ):
            if here and set(here) != set(trained):
                return f'{name} is {list(here)}, and the policy was trained with {list(trained)}'
        return ''

    def _adopt(self, model: ArmModel | None) -> bool:
        return self._core.adopt(model, self._now_ns())

    # ---- what forbids motion

    def inhibit(self, name: str, reason: str) -> None:
        """Set an interlock and brake; nothing is followed until `permit` clears it."""
        self._send(self._core.inhibit(name, reason, self._now_ns()))

    def permit(self, name: str) -> None:
        """Clear the interlock of this name."""
        self._core.permit(name)

    def _hold(self, reason: str) -> None:
        """Set the interlock `stop`; one that is set already keeps its reason, which came first."""
        if STOP not in self._core.interlocks:
            self.inhibit(STOP, reason)

    def release(self, *names: str) -> str | None:
        """Clear interlocks and begin from where the arm is, or say why that is not possible."""
        self._read_joints()
        try:
            self._core.resume(self._now_ns(), *names)
        except ChunkRefused as error:
            return str(error)
        return None

    def _resume(self) -> str | None:
        """Let chunks be followed again, the policy's too after a way to the start pose."""
        refusal = self.release()
        if refusal is None:
            self._way.end('the executor was told to resume')
            self._sources.let_go()
        return refusal or self._held()

    def _go_to_start(self) -> str | None:
        """Begin the way to the start pose; clear pause and stop as `~/resume` does."""
        if not self._active:
            return 'the executor is not active'
        core = self._core
        try:
            pose = start_pose(core.joint_names, self._task, self._file_task)
            if PAUSE in core.interlocks or STOP in core.interlocks:
                core.resume(self._now_ns())
            if core.interlocks:
                return core.interlocks.reason
            self._way.begin(pose, core, self._now_ns())
        except ChunkRefused as error:
            return str(error)
        self._waiting = None
        self._admit(START)
        self._go_on_to_start()
        return None

    def _reset(self) -> str | None:
        """Clear the emergency stop; `~/resume` is still needed to move."""
        if ESTOP not in self._core.interlocks:
            return None
        refusal = self.release(ESTOP)
        if refusal is None:
            self.inhibit(STOP, 'the emergency stop was reset: call ~/resume to move')
        return refusal

    def _execute(self, value: bool) -> str | None:
        result = self.set_parameters([Parameter('execute', value=value)])[0]
        return None if result.successful else str(result.reason)

    def _held(self) -> str | None:
        return self._core.interlocks.reason or None

    def _answer(
        self,
        action: Callable[[], str | None],
        request: Trigger.Request,
        response: Trigger.Response,
    ) -> Trigger.Response:
        """Answer a service whose action returns why it failed, or None."""
        refusal = action()
        self._publish_status()
        response.success, response.message = refusal is None, refusal or self._reason
        return response

    # ---- outputs

    def _send(self, trajectory: Trajectory | None) -> None:
        """Send a braking trajectory; one that took too long to make is made again."""
        tries = 0
        while trajectory is not None:
            message = trajectory_to_msg(trajectory)
            now_ns, tries = self._now_ns(), tries + 1
            if self._core.brake_in_time(now_ns):
                self._commands.publish(message)
                return
            trajectory = self._core.brake_again(now_ns, tries)

    def _publish_status(self) -> None:
        core, counts = self._core, self._core.counts
        reason = self._reason
        if (core.phase, reason) != self._shown:
            self._shown = (core.phase, reason)
            phase = core.phase.name.lower()
            self.get_logger().info(reason if reason.startswith(phase) else f'{phase}: {reason}')
        message = ExecutorStatus(
            state=int(core.phase),
            reason=reason,
            source=self._sources.owner if core.phase is Phase.RUNNING else '',
            chunks_received=counts.received,
            inhibited_by=core.interlocks.names,
            moving=core.is_moving(self._now_ns()),
            chunks_executed=counts.executed,
            chunks_approached=counts.approached,
            chunks_checked=counts.checked,
            chunks_late=counts.late,
            chunks_refused=counts.refused,
            deviation=core.deviation,
            chunk_left=core.chunk_left(self._now_ns()),
            speed_scale=core.config.speed_scale,
            lead_time=core.lead.time,
            delivery_time=core.lead.delivery,
            chunk_stamp=ns_to_time(core.times.stamp_ns),
            chunk_received=ns_to_time(core.times.received_ns),
            chunk_planned=ns_to_time(core.times.planned_ns),
            chunk_sent=ns_to_time(core.times.sent_ns),
            chunk_join=ns_to_time(core.times.join_ns),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._statuses.publish(message)

    def _report(self) -> Report:
        core, counts = self._core, self._core.counts
        values = {
            'state': core.phase.name,
            'commanded to move': core.is_moving(self._now_ns()),
            'chunks received': counts.received,
            'chunks executed': counts.executed,
            'chunks approached': counts.approached,
            'chunks checked': counts.checked,
            'chunks late': counts.late,
            'chunks refused': counts.refused,
            'away from the chunk [rad]': core.deviation,
            "policy's chunks left out": self._sources.left_out,
            'chunk left [s]': core.chunk_left(self._now_ns()),
            'lead time [s]': core.lead.time,
            'delivery time [s]': core.lead.delivery,
            'trajectories delivered late': self._delivered_late,
            'controllers listening': self._commands.get_subscription_count(),
        }
        held = core.phase in (Phase.STOPPED, Phase.INHIBITED) or bool(self._misfit)
        level = WARN if held or not self._active else OK
        overruled = self._overruled is not None and self._overruled in core.reason
        level = ERROR if overruled or PUBLISHERS in core.interlocks else level
        return level, self._summary() if self._active else 'not active', values

    def _summary(self) -> str:
        if self._misfit and self._core.phase is Phase.WAITING:
            return f'chunks of the policy are refused: {self._misfit}'
        reason, topic = self._reason, self._joints.name
        if not reason.endswith('waiting for joint states'):
            return reason
        return f'{reason} on {topic} ({self.count_publishers(topic)} publishers)'

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=_THROTTLE)


def _readable(message: JointTrajectory | None) -> Trajectory | None:
    try:
        return None if message is None else trajectory_from_msg(message)
    except ValueError:
        return None


def main() -> int:
    """Run the node."""
    get_logger('executor').info(ask_for_real_time())
    return run_node(ExecutorNode)
