# SPDX-License-Identifier: Apache-2.0
"""Episodes through the ROS nodes, with records of everything that happens in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Any

from action_msgs.msg import GoalStatus
from dp_ros.arrays import Array
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.ros.asking import setting
from dp_ros.ros.contract import ContractTopic
from dp_ros.ros.conversions import time_to_ns
from dp_ros.ros.domain import keep_to_this_machine
from dp_ros.ros.qos import reliable
from dp_ros.sim.clock import TimeTable
from dp_ros.sim.judge import boundary_velocity_steps, judge
from dp_ros.sim.scenario import AnyScenario
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
from dp_ros.sim.scenarios.registry import SCENARIOS
from dp_ros.task.task import Task
from dp_ros.tools.common.episodes.loading import Loading, LoadingFailed
from dp_ros.tools.common.episodes.misses import kind_of_miss, why_missed
from dp_ros.tools.common.episodes.summary import EpisodeResult, EpisodeTiming
from dp_ros.tools.common.motion_figures import motion_figures, side_flips
from dp_ros_msgs.action import RunEpisode
from dp_ros_msgs.msg import EpisodeStatus, PolicyStatus
from dp_ros_msgs.srv import GetCommandLog
import numpy as np
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

_RELIABLE = reliable(100)
_FAULTS = (RunEpisode.Result.FAULT, RunEpisode.Result.NO_OBSERVATION, RunEpisode.Result.NO_CHUNK)
_LONGEST_START = 600.0
_LONGEST_SILENCE = 120.0
_SAY_EVERY = 10.0


class RolloutError(RuntimeError):
    """An episode could not be run; the message says what is missing."""


class EpisodeFault(RolloutError):
    """A fault of the system ended an episode; this says nothing about the policy."""


@dataclass(frozen=True)
class CommandStream:
    """The command stream of one episode, sample by sample.

    :param stamp_ns: time of the first sample [ns]; the others follow every ``period`` [s].
    :param positions: (n_samples, n_joints) commanded positions [rad]; ``measured``: measured ones.
    :param trajectory_ids: (n_samples,) number of the trajectory of each sample.
    """

    stamp_ns: int
    period: float
    positions: Array
    measured: Array
    trajectory_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Rollout:
    """One episode: its figures, and its records for drawing it again."""

    result: EpisodeResult
    timing: EpisodeTiming
    log: CommandStream
    statuses: list[EpisodeStatus] = field(repr=False)
    markers: list[tuple[int, MarkerArray]] = field(repr=False)


class RolloutClient(Node):
    """Client of the `episode_runner` that records the policy's topics while an episode runs.

    :param keep_markers: whether to record `policy/markers` too, for a video.
    """

    def __init__(self, *, keep_markers: bool = False, **kwargs: Any) -> None:
        # Its log goes only to the terminal: rosout would warn about a second client of that name.
        super().__init__('rollout_client', enable_rosout=False, **kwargs)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        self._action = ActionClient(self, RunEpisode, 'episode_runner/run')
        self._log_client = self.create_client(GetCommandLog, 'franka_sim/command_log')
        self._needed = [
            self._log_client,
            self.create_client(Trigger, 'observation_aggregator/reset'),
        ]
        self._reroll = 0
        self._loading = [Loading(self, name) for name in ('executor', 'policy')]
        self._failure: Callable[[], str | None] = lambda: None
        # Each with its sending time in real time [ns]: its stamp is simulated time.
        self._policy_statuses: list[tuple[int, PolicyStatus]] = []
        self._statuses: list[tuple[int, EpisodeStatus]] = []
        self._markers: list[tuple[int, MarkerArray]] = []
        self._chunks: list[tuple[int, JointTrajectory]] = []
        self._scenario: AnyScenario | None = None
        self._contract = ContractTopic(self, self._on_task)
        self._record(JointTrajectory, 'policy/chunk', self._chunks)
        self._record(PolicyStatus, 'policy/status', self._policy_statuses)
        self._record(EpisodeStatus, 'episode/status', self._statuses)
        if keep_markers:
            self._record(MarkerArray, 'policy/markers', self._markers)

    def _record(self, kind: Any, topic: str, record: list[tuple[int, Any]]) -> None:
        def take(message: Any, info: dict[str, int]) -> None:
            record.append((info['source_timestamp'], message))

        self.create_subscription(kind, topic, take, _RELIABLE)

    def _on_task(self, task: Task | None, reason: str) -> None:
        self._scenario = None if task is None else SCENARIOS.get(task.name)

    @property
    def latest_latency_ms(self) -> float | None:
        """Return the latency of the newest chunk in real time [ms]; None before the first."""
        return next(iter(self._latencies_ms(self._policy_statuses[-1:], self._times())), None)

    def wait_until_ready(
        self, failure: Callable[[], str | None], say: Callable[[str], None] = lambda text: None
    ) -> None:
        """Wait until an episode can be run, while the nodes live and start.

        :param failure: function that is called during every wait; a returned text ends it.
        :param say: function that gets a text about what is awaited, from time to time.
        :raises RolloutError: when no episode can be run, with the reason.
        """
        self._failure = failure
        began = said = time.monotonic()
        while (missing := self._missing()) is not None:
            self._check_failure()
            now = time.monotonic()
            if now - began > _LONGEST_START:
                raise RolloutError(
                    f'waited {now - began:.0f} s in vain for {missing}: does something else take '
                    'the processor, or is it in another ROS_DOMAIN_ID?'
                )
            if now - said > _SAY_EVERY:
                said = now
                say(f'waiting for {missing}, for {now - began:.0f} s')
            self._executor.spin_once(timeout_sec=0.1)

    def _missing(self) -> str | None:
        """Return the first missing part that an episode needs, or None."""
        if not self._action.server_is_ready():
            return 'episode_runner'
        for client in self._needed:
            if not client.service_is_ready():
                return str(client.srv_name)
        try:
            return next((node.name for node in self._loading if not node.is_active()), None)
        except LoadingFailed as error:
            raise RolloutError(str(error)) from error

    def _check_failure(self) -> None:
        reason = self._failure()
        if reason is not None:
            raise RolloutError(reason)

    def set_parameter(self, node: str, name: str, value: int | float) -> None:
        """Set a parameter of a node.

        :raises RolloutError: when the node refuses it, with its reason.
        """
        client = self.create_client(SetParameters, f'{node}/set_parameters')
        if not client.wait_for_service(timeout_sec=10.0):
            raise RolloutError(f'no service {client.srv_name}: is {node} running?')
        future = client.call_async(setting(name, value))
        answer = self._await(future, 30.0, f'{node} to set {name}')
        self.destroy_client(client)
        (result,) = answer.results
        if not result.successful:
            raise RolloutError(f'{node}: {result.reason}')

    def run(
        self,
        seed: int,
        timeout: float = 15.0,
        move_goal: float = 0.0,
        on_feedback: Callable[[EpisodeStatus], None] = lambda status: None,
        reroll: int = 0,
    ) -> Rollout:
        """Run one episode and return its records.

        :param timeout: longest duration of the episode [s].
        :param move_goal: distance by which the goal moves in mid-episode [m].
        :param reroll: number of the policy's noise for the scene.
        :raises EpisodeFault: when a fault of the system ended it; it may be run again.
        :raises RolloutError: when the episode could not be run.
        """
        for record in (self._policy_statuses, self._statuses, self._markers, self._chunks):
            record.clear()
        self._choose_noise(reroll)
        goal = RunEpisode.Goal(seed=seed, timeout=timeout, move_goal=move_goal)

        def hear(message: Any) -> None:
            self._heard = time.monotonic()
            on_feedback(message.feedback.status)

        handle = self._await(
            self._action.send_goal_async(goal, hear), 30.0, 'the episode runner to answer'
        )
        if not handle.accepted:
            raise RolloutError('the episode runner refused the episode: is another one running?')
        try:
            answer = self._await(
                handle.get_result_async(), _LONGEST_SILENCE, 'a message about the episode'
            )
        except KeyboardInterrupt:
            self._await(handle.cancel_goal_async(), 5.0, 'the episode to be cancelled')
            raise
        result = answer.result
        if result.error_code in _FAULTS:
            raise EpisodeFault(result.error_msg)
        if answer.status != GoalStatus.STATUS_SUCCEEDED or result.error_code != result.NONE:
            raise RolloutError(f'episode with seed {seed}: {result.error_msg}')
        return self._rollout(goal, result, self._command_log(), reroll)

    def _choose_noise(self, reroll: int) -> None:
        """Set which noise the following episodes have."""
        if reroll == self._reroll:
            return
        self.set_parameter('episode_runner', 'reroll', reroll)
        self._reroll = reroll

    def _await(self, future: Future, timeout: float, what: str) -> Any:
        """Wait for an answer, up to ``timeout`` [s] after the last sign of an episode."""
        self._heard = time.monotonic()
        while not future.done():
            self._check_failure()
            if time.monotonic() - self._heard > timeout:
                raise RolloutError(f'waited {timeout:g} s in vain for {what}')
            self._executor.spin_until_future_complete(future, timeout_sec=0.5)
        return future.result()

    def _command_log(self) -> CommandStream:
        if not self._log_client.wait_for_service(timeout_sec=5.0):
            raise RolloutError('no service franka_sim/command_log: is franka_sim running?')
        future = self._log_client.call_async(GetCommandLog.Request())
        reply = self._await(future, 20.0, 'the command log')
        if not reply.success:
            raise RolloutError(f'franka_sim/command_log: {reply.message}')
        shape = (len(reply.trajectory_ids), len(reply.joint_names))
        return CommandStream(
            stamp_ns=time_to_ns(reply.stamp),
            period=reply.period,
            positions=np.asarray(reply.positions, dtype=np.float64).reshape(shape),
            measured=np.asarray(reply.measured, dtype=np.float64).reshape(shape),
            trajectory_ids=np.asarray(reply.trajectory_ids, dtype=np.int64),
        )

    def _rollout(
        self,
        goal: RunEpisode.Goal,
        result: RunEpisode.Result,
        log: CommandStream,
        reroll: int,
    ) -> Rollout:
        start_ns = time_to_ns(result.stamp)
        times = self._times(start_ns)
        chunks = [c for c in self._policy_statuses if time_to_ns(c[1].header.stamp) >= start_ns]
        markers = [(times.simulated_ns(sent_ns), marker) for sent_ns, marker in self._markers]
        steps = boundary_velocity_steps(log.positions, log.trajectory_ids)
        status = result.status
        return Rollout(
            result=EpisodeResult(
                seed=goal.seed,
                reroll=reroll,
                success=status.state == EpisodeStatus.SUCCESS,
                side=status.side,
                collision=status.state == EpisodeStatus.COLLISION,
                final_distance_m=round(status.distance, 4),
                duration_s=round(result.duration, 2),
                judge_violations=len(judge(log.positions)),
                miss=why_missed(status, goal.timeout),
                failure=kind_of_miss(status),
                **self._motion(goal, status, log.positions, start_ns),
            ),
            timing=EpisodeTiming(
                latencies_ms=tuple(self._latencies_ms(chunks, times)),
                chunks=result.chunks,
                late_chunks=result.late_chunks,
                max_velocity_step_rad_s=float(np.max(steps, initial=0.0)),
                real_time_factor=times.speed,
            ),
            log=log,
            statuses=[s for _, s in self._statuses if time_to_ns(s.header.stamp) >= start_ns],
            markers=[(t, m) for t, m in markers if t >= start_ns],
        )

    def _motion(
        self, goal: RunEpisode.Goal, status: EpisodeStatus, commands: Array, start_ns: int
    ) -> dict[str, Any]:
        """Return how far an episode came, and how smooth and how decided its motion was.

        :returns: nothing where the task is not known.
        """
        if self._scenario is None:
            return {}
        scene = self._scenario.sample(goal.seed)
        chunks = [
            _arm_positions(chunk)
            for _, chunk in self._chunks
            if time_to_ns(chunk.header.stamp) >= start_ns
            and set(JOINT_NAMES) <= set(chunk.joint_names)
        ]
        if goal.move_goal:
            scene = scene.with_goal((status.goal.x, status.goal.y))
        if isinstance(scene, ObstacleScene):
            scene = scene.with_obstacle((status.obstacle.x, status.obstacle.y))
        done = status.state == EpisodeStatus.SUCCESS
        share = self._scenario.progress(scene, status.distance, status.side)
        return {
            'progress': 1.0 if done else round(share, 3),
            'smoothness': motion_figures(self._scenario, scene, status.side, commands),
            'side_flips': side_flips(self._scenario, scene, chunks),
        }

    def _times(self, start_ns: int = 0) -> TimeTable:
        """Return the times of the simulation's clock since ``start_ns``."""
        seen = [(real, time_to_ns(status.header.stamp)) for real, status in self._statuses]
        seen = [(real, simulated) for real, simulated in seen if simulated >= start_ns]
        return TimeTable([real for real, _ in seen], [simulated for _, simulated in seen])

    def _latencies_ms(
        self, chunks: list[tuple[int, PolicyStatus]], times: TimeTable
    ) -> list[float]:
        """Return the time from observation to chunk, for each chunk, in real time [ms]."""
        seen_ns = [times.real_ns(time_to_ns(status.header.stamp)) for _, status in chunks]
        return [(sent - seen) / 1e6 for (sent, _), seen in zip(chunks, seen_ns, strict=True)]


def _arm_positions(chunk: JointTrajectory) -> Array:
    """Return the positions (n, 7) [rad] of the arm's joints."""
    order = [chunk.joint_names.index(name) for name in JOINT_NAMES]
    return np.array([point.positions for point in chunk.points], dtype=np.float64)[:, order]


def start_client(**kwargs: Any) -> RolloutClient:
    """Initialise ROS if necessary, and make the client."""
    if not rclpy.ok():
        keep_to_this_machine()
        rclpy.init()
    return RolloutClient(**kwargs)
