# SPDX-License-Identifier: Apache-2.0
"""Run episodes through the ROS nodes and bring back everything that was seen in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Any

from action_msgs.msg import GoalStatus
from dp_ros.nodes.conversions import time_to_ns
from dp_ros.nodes.ros_domain import keep_to_this_machine
from dp_ros.sim.judge import boundary_velocity_steps, judge
from dp_ros.tools.summary import EpisodeResult, EpisodeTiming
from dp_ros_msgs.action import RunEpisode
from dp_ros_msgs.msg import EpisodeStatus, PolicyStatus
from dp_ros_msgs.srv import GetCommandLog
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from visualization_msgs.msg import MarkerArray

_RELIABLE = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


class RolloutError(RuntimeError):
    """An episode could not be run; the message says what is missing."""


@dataclass(frozen=True)
class CommandLog:
    """The command stream of one episode, sample by sample.

    :param stamp_ns: time of the first sample [ns]; the others follow every ``period`` [s].
    :param positions: commanded, (n_samples, n_joints) [rad]; ``measured`` likewise.
    :param trajectory_ids: (n_samples,) which trajectory commanded the sample.
    """

    stamp_ns: int
    period: float
    positions: NDArray[np.float64]
    measured: NDArray[np.float64]
    trajectory_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Rollout:
    """One episode: its figures and what is needed to draw it again."""

    result: EpisodeResult
    timing: EpisodeTiming
    log: CommandLog
    statuses: list[EpisodeStatus] = field(repr=False)
    markers: list[tuple[int, MarkerArray]] = field(repr=False)


class RolloutClient(Node):
    """Client of the `episode_runner` that records the policy's topics while an episode runs.

    :param keep_markers: record `policy/markers` too, for a video.
    """

    def __init__(self, *, keep_markers: bool = False, **kwargs: Any) -> None:
        # Its log goes to the terminal only: a second client of that name would be warned about.
        super().__init__('rollout_client', enable_rosout=False, **kwargs)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        self._action = ActionClient(self, RunEpisode, 'episode_runner/run')
        self._log_client = self.create_client(GetCommandLog, 'franka_sim/command_log')
        self._policy_statuses: list[PolicyStatus] = []
        self._statuses: list[EpisodeStatus] = []
        self._markers: list[tuple[int, MarkerArray]] = []
        self.create_subscription(
            PolicyStatus, 'policy/status', self._policy_statuses.append, _RELIABLE
        )
        self.create_subscription(EpisodeStatus, 'episode/status', self._on_status, _RELIABLE)
        if keep_markers:
            self.create_subscription(MarkerArray, 'policy/markers', self._on_markers, _RELIABLE)

    @property
    def latest_latency_ms(self) -> float | None:
        """Latency of the newest chunk [ms], None before the first."""
        return self._policy_statuses[-1].latency * 1e3 if self._policy_statuses else None

    def _on_status(self, status: EpisodeStatus) -> None:
        self._statuses.append(status)

    def _on_markers(self, markers: MarkerArray) -> None:
        self._markers.append((self.get_clock().now().nanoseconds, markers))

    def wait_until_ready(self, timeout: float, failure: Callable[[], str | None]) -> None:
        """Wait for the episode runner.

        :param failure: asked again and again; a text ends the waiting.
        :raises RolloutError: when it did not come, with what was awaited.
        """
        deadline = time.monotonic() + timeout
        while not self._action.server_is_ready():
            reason = failure()
            if reason is not None:
                raise RolloutError(reason)
            if time.monotonic() > deadline:
                raise RolloutError(
                    f'no action server {self._action._action_name!r} within {timeout:g} s: '
                    'is sim.launch.py running in this ROS_DOMAIN_ID?'
                )
            self._executor.spin_once(timeout_sec=0.1)

    def run(
        self,
        seed: int,
        timeout: float = 15.0,
        move_goal: float = 0.0,
        on_feedback: Callable[[EpisodeStatus], None] = lambda status: None,
    ) -> Rollout:
        """Run one episode and return what was seen.

        :param timeout: given to the policy for the episode [s].
        :param move_goal: how far the goal moves in mid-run [m].
        :raises RolloutError: when the episode could not be run.
        """
        for record in (self._policy_statuses, self._statuses, self._markers):
            record.clear()
        goal = RunEpisode.Goal(seed=seed, timeout=timeout, move_goal=move_goal)
        sent = self._action.send_goal_async(
            goal, lambda message: on_feedback(message.feedback.status)
        )
        handle = self._await(sent, 10.0, 'the episode runner to answer')
        if not handle.accepted:
            raise RolloutError('the episode runner refused the episode: is another one running?')
        try:
            answer = self._await(handle.get_result_async(), timeout + 60.0, 'the episode to end')
        except KeyboardInterrupt:
            self._await(handle.cancel_goal_async(), 5.0, 'the episode to be cancelled')
            raise
        result = answer.result
        if answer.status != GoalStatus.STATUS_SUCCEEDED or result.error_code != result.NONE:
            raise RolloutError(f'episode with seed {seed}: {result.error_msg}')
        return self._rollout(seed, result, self._command_log())

    def _await(self, future: Future, timeout: float, what: str) -> Any:
        self._executor.spin_until_future_complete(future, timeout_sec=timeout)
        if not future.done():
            raise RolloutError(f'waited {timeout:g} s in vain for {what}')
        return future.result()

    def _command_log(self) -> CommandLog:
        if not self._log_client.wait_for_service(timeout_sec=5.0):
            raise RolloutError('no service franka_sim/command_log: is franka_sim running?')
        future = self._log_client.call_async(GetCommandLog.Request())
        reply = self._await(future, 20.0, 'the command log')
        if not reply.success:
            raise RolloutError(f'franka_sim/command_log: {reply.message}')
        shape = (len(reply.trajectory_ids), len(reply.joint_names))
        return CommandLog(
            stamp_ns=time_to_ns(reply.stamp),
            period=reply.period,
            positions=np.asarray(reply.positions, dtype=np.float64).reshape(shape),
            measured=np.asarray(reply.measured, dtype=np.float64).reshape(shape),
            trajectory_ids=np.asarray(reply.trajectory_ids, dtype=np.int64),
        )

    def _rollout(self, seed: int, result: RunEpisode.Result, log: CommandLog) -> Rollout:
        start_ns = time_to_ns(result.stamp)
        chunks = [s for s in self._policy_statuses if time_to_ns(s.header.stamp) >= start_ns]
        steps = boundary_velocity_steps(log.positions, log.trajectory_ids)
        status = result.status
        return Rollout(
            result=EpisodeResult(
                seed=seed,
                success=status.state == EpisodeStatus.SUCCESS,
                side=status.side,
                collision=status.state == EpisodeStatus.COLLISION,
                final_distance_m=round(status.distance, 4),
                duration_s=round(result.duration, 2),
                judge_violations=len(judge(log.positions)),
            ),
            timing=EpisodeTiming(
                latencies_ms=tuple(chunk.latency * 1e3 for chunk in chunks),
                chunks=result.chunks,
                late_chunks=result.late_chunks,
                max_velocity_step_rad_s=float(np.max(steps, initial=0.0)),
            ),
            log=log,
            statuses=[s for s in self._statuses if time_to_ns(s.header.stamp) >= start_ns],
            markers=[(t, m) for t, m in self._markers if t >= start_ns],
        )


def start_client(**kwargs: Any) -> RolloutClient:
    """Initialise ROS where that was not done yet and make the client."""
    if not rclpy.ok():
        keep_to_this_machine()
        rclpy.init()
    return RolloutClient(**kwargs)
