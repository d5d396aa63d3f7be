# SPDX-License-Identifier: Apache-2.0
"""The node `episode_runner`: an action that runs the policy for one episode.

```
pause executor → set the policy's seed → reset scene → forget older data → resume executor
    → watch until success, collision, fault, time-out or cancel → pause executor
```

An episode's time is the node's clock, so a slow simulation has as much of it as a fast one.
"""

from __future__ import annotations

import math
from typing import Any

from dp_ros.nodes.episode_runner.parameters import PARAMETERS
from dp_ros.ros.asking import setting
from dp_ros.ros.conversions import place_to_msg, time_to_ns
from dp_ros.ros.diagnostics import OK, Diagnostics, Report
from dp_ros.ros.ending import EndingNode
from dp_ros.ros.live_parameters import LiveParameters
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import EVERY, LATCHED, NEWEST
from dp_ros_msgs.action import RunEpisode
from dp_ros_msgs.msg import EpisodeStatus, ExecutorStatus, Observation, PolicyStatus
from dp_ros_msgs.srv import ResetEpisode
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.task import Future
from std_srvs.srv import Trigger

_WATCH = 0.05
_KEPT = 3 * 10**9  # [s]. With results that expire, rcl wakes the node at every /clock.
_PAUSE = 'pause'  # the interlock that the runner itself sets
_UNDER_WAY = 1.0  # Longest time that a status is on its way [s].
_FEEDBACK_EVERY = 4
_REROLL = 10**9  # Distance of the seeds of a scene's noises.
_LARGEST_SEED = 2**63 - 1  # The policy's parameter is a signed 64-bit number.
_DECIDED = (EpisodeStatus.SUCCESS, EpisodeStatus.COLLISION, EpisodeStatus.FAILURE)


class EpisodeError(RuntimeError):
    """An episode cannot go on; holds the error code of the action."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class EpisodeRunnerNode(EndingNode):
    """Serves the action `~/run`, one episode at a time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('episode_runner', **kwargs)
        self._values = LiveParameters(self, PARAMETERS)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._busy = False
        self._begin()
        self._create_clients()
        self._create_inputs()
        self._server = ActionServer(
            self,
            RunEpisode,
            '~/run',
            self._run,
            goal_callback=self._on_goal,
            cancel_callback=lambda handle: CancelResponse.ACCEPT,
            result_timeout=_KEPT,
        )
        self._diagnostics = Diagnostics(self, self._report)

    def _create_clients(self) -> None:
        reset = self._values['reset_service']
        self._reset = self.create_client(ResetEpisode, reset) if reset else None
        self._executor_services = {
            name: self.create_client(Trigger, f'executor/{name}') for name in ('pause', 'resume')
        }
        self._forget = [
            self.create_client(Trigger, 'observation_aggregator/reset'),
            self.create_client(Trigger, 'policy/reset'),
        ]
        self._set_policy = self.create_client(SetParameters, 'policy/set_parameters')
        self._goal_out = self.create_publisher(PoseStamped, 'goal_pose', EVERY)
        self._obstacle_out = self.create_publisher(PoseStamped, 'obstacle_pose', EVERY)

    def _create_inputs(self) -> None:
        self.create_subscription(EpisodeStatus, 'episode/status', self._on_episode, LATCHED)
        self.create_subscription(ExecutorStatus, 'executor/status', self._on_executor, EVERY)
        self.create_subscription(PolicyStatus, 'policy/status', self._on_policy, EVERY)
        self.create_subscription(Observation, 'observation', self._on_observation, NEWEST)

    def _begin(self) -> None:
        """Forget the messages of the last episode."""
        self._episode = EpisodeStatus()
        self._executor_status: ExecutorStatus | None = None
        self._latency = math.nan
        self._n_chunks = 0
        self._moved: set[str] = set()
        self._released = False
        self._first_chunk: float | None = None
        self._attend()

    def _attend(self) -> None:
        """Reset the time of every node's last message to now."""
        self._attended = self._seconds()
        self._last_observation = self._last_chunk = self._last_status = self._attended
        self._ticked = self._steady_seconds(), self._attended

    # ---- inputs

    def _on_goal(self, goal: RunEpisode.Goal) -> GoalResponse:
        reason = 'an episode is running' if self._busy else _flaw(goal)
        if reason is not None:
            self.get_logger().warning(f'episode refused: {reason}')
            return GoalResponse.REJECT
        self._busy = True
        return GoalResponse.ACCEPT

    def _on_episode(self, status: EpisodeStatus) -> None:
        self._episode = status

    def _on_executor(self, status: ExecutorStatus) -> None:
        self._executor_status = status
        self._last_status = self._seconds()
        self._released = self._released or not status.inhibited_by

    def _on_observation(self, observation: Observation) -> None:
        self._last_observation = self._seconds()

    def _on_policy(self, status: PolicyStatus) -> None:
        self._n_chunks += 1
        self._latency = status.latency
        self._last_chunk = self._seconds()
        if self._first_chunk is None:
            self._first_chunk = self._last_chunk

    # ---- the action

    async def _run(self, handle: ServerGoalHandle) -> RunEpisode.Result:
        result = RunEpisode.Result()
        try:
            await self._episode_of(handle, result)
        except EpisodeError as error:
            result.error_code, result.error_msg = error.code, str(error)
            self.get_logger().error(f'episode: {error}')
        finally:
            await self._brake()
            self._busy = False
        if result.error_code == RunEpisode.Result.NONE:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result

    async def _episode_of(self, handle: ServerGoalHandle, result: RunEpisode.Result) -> None:
        goal = handle.request
        await self._call(self._executor_services['pause'], Trigger.Request())
        # A policy that is loading answers when it is done, before the episode's time starts.
        await self._seed_policy(goal.seed + _REROLL * self._values['reroll'])
        self._begin()
        if self._reset is not None:
            response = await self._call(self._reset, ResetEpisode.Request(seed=goal.seed))
            if not response.success:
                raise EpisodeError(RunEpisode.Result.RESET_FAILED, response.message)
            result.stamp, self._episode = response.stamp, response.status
        else:
            result.stamp = self.get_clock().now().to_msg()
        for client in self._forget:
            await self._call(client, Trigger.Request())
        await self._resume()
        self._attend()
        before = self._executor_status or ExecutorStatus()
        started = self._seconds()
        await self._watch(handle, started)
        after = self._executor_status or before
        result.status = self._episode
        result.duration = self._duration(result, started)
        result.chunks = after.chunks_received - before.chunks_received
        result.late_chunks = after.chunks_late - before.chunks_late

    async def _watch(self, handle: ServerGoalHandle, started: float) -> None:
        """Publish feedback until the episode is decided or its time is up."""
        goal, turn = handle.request, 0
        while self._episode.state not in _DECIDED:
            elapsed = self._seconds() - started
            if elapsed >= goal.timeout:
                return
            if handle.is_cancel_requested:
                raise EpisodeError(RunEpisode.Result.CANCELED, 'cancelled')
            self._check_clock()
            self._check_executor()
            self._check_progress()
            self._move_things(goal)
            if turn % _FEEDBACK_EVERY == 0:
                handle.publish_feedback(
                    RunEpisode.Feedback(
                        status=self._episode,
                        elapsed=elapsed,
                        chunks=self._n_chunks,
                        latency=self._latency,
                    )
                )
            turn += 1
            await self._sleep(_WATCH)

    def _check_clock(self) -> None:
        """Raise `EpisodeError` when simulated time has stood still for too long."""
        real, time = self._steady_seconds(), self._seconds()
        still = real - self._ticked[0]
        if time != self._ticked[1]:
            self._ticked = real, time
        elif still >= self._values['service_timeout']:
            raise EpisodeError(
                RunEpisode.Result.NOT_READY,
                f'/clock stands still for {still:.0f} s: does the simulation run?',
            )

    def _check_executor(self) -> None:
        """Raise `EpisodeError` when the executor has stopped the arm or sends no status."""
        status, now = self._executor_status, self._seconds()
        if status is None:
            return
        # A status from before the release reports an earlier fault.
        is_new = self._released or now - self._attended > _UNDER_WAY
        if is_new and any(name != _PAUSE for name in status.inhibited_by):
            raise EpisodeError(RunEpisode.Result.FAULT, f'executor: {status.reason}')
        silence = now - self._last_status
        if silence >= self._values['chunk_timeout']:
            raise EpisodeError(
                RunEpisode.Result.FAULT, f'executor: no status for {silence:.1f} s: is it running?'
            )

    def _check_progress(self) -> None:
        """Raise `EpisodeError` when the policy has been silent for too long, with the cause."""
        now, patience = self._seconds(), self._values['chunk_timeout']
        silence = now - self._last_chunk
        if silence < patience:
            return
        # The last observation may be newer than the last chunk: not every one is answered.
        if now - self._last_observation >= patience / 2:
            raise EpisodeError(
                RunEpisode.Result.NO_OBSERVATION,
                f'no observation for {silence:.1f} s: see observation_aggregator on /diagnostics',
            )
        raise EpisodeError(
            RunEpisode.Result.NO_CHUNK, f'no chunk for {silence:.1f} s: is the policy active?'
        )

    def _move_things(self, goal: RunEpisode.Goal) -> None:
        """Move goal and obstacle sideways once, to the left in episodes of even seeds."""
        side = 1 if goal.seed % 2 == 0 else -1
        episode, values = self._episode, self._values
        for what, place, distance, out in (
            ('goal', episode.goal, goal.move_goal, self._goal_out),
            ('obstacle', episode.obstacle, values['move_obstacle'], self._obstacle_out),
        ):
            if distance != 0.0 and self._is_due(what, values[f'move_{what}_after']):
                self._moved.add(what)
                moved = (place.x, place.y + side * distance, place.z)
                stamp, frame = self.get_clock().now().to_msg(), episode.header.frame_id
                out.publish(place_to_msg(moved, stamp, frame))

    def _is_due(self, what: str, after: float) -> bool:
        """Tell whether a thing is to be moved now, ``after`` the first chunk [s]."""
        if what in self._moved or self._first_chunk is None:
            return False
        return self._seconds() - self._first_chunk >= after

    async def _seed_policy(self, seed: int) -> None:
        result = (await self._call(self._set_policy, setting('seed', seed))).results[0]
        if not result.successful:
            raise EpisodeError(
                RunEpisode.Result.NOT_READY, f'policy: seed = {seed} refused: {result.reason}'
            )

    async def _resume(self) -> None:
        """Let the executor follow chunks again, as soon as the arm is at rest."""
        deadline = self._steady_seconds() + self._values['service_timeout']
        while True:
            response = await self._call(self._executor_services['resume'], Trigger.Request())
            if response.success:
                return
            if self._steady_seconds() > deadline:
                raise EpisodeError(RunEpisode.Result.NOT_READY, f'executor: {response.message}')
            await self._sleep(_WATCH)

    async def _brake(self) -> None:
        try:
            await self._call(self._executor_services['pause'], Trigger.Request())
        except EpisodeError as error:
            self.get_logger().error(f'could not pause the executor: {error}')

    async def _call(self, client: Client, request: Any) -> Any:
        """Call a service and await its answer, for a bounded time."""
        name = self.resolve_service_name(client.srv_name)
        deadline = self._steady_seconds() + self._values['service_timeout']
        while not client.service_is_ready():
            if self._steady_seconds() > deadline:
                raise EpisodeError(
                    RunEpisode.Result.NOT_READY, f'no service {name}: is its node up?'
                )
            await self._sleep(_WATCH)
        future = client.call_async(request)
        while not future.done():
            if self._steady_seconds() > deadline:
                raise EpisodeError(RunEpisode.Result.NOT_READY, f'{name} does not answer')
            await self._sleep(_WATCH / 5)
        return future.result()

    async def _sleep(self, seconds: float) -> None:
        future: Future = Future(executor=self.executor)
        timer = self.create_timer(seconds, lambda: future.set_result(None), clock=self._steady)
        await future
        self.destroy_timer(timer)

    def _duration(self, result: RunEpisode.Result, started: float) -> float:
        """Return the time from the reset to the decision, or the watched time without one [s]."""
        stamp_ns = time_to_ns(self._episode.header.stamp)
        if self._episode.state == EpisodeStatus.IDLE or stamp_ns == 0:
            return self._seconds() - started
        return (stamp_ns - time_to_ns(result.stamp)) / 1e9

    def _report(self) -> Report:
        return OK, 'an episode is running' if self._busy else 'ready', {'chunks': self._n_chunks}

    def _seconds(self) -> float:
        """Return the time of the simulation, or without one that of the steady clock [s]."""
        clock = self.get_clock()
        now = clock.now() if clock.ros_time_is_active else self._steady.now()
        return float(now.nanoseconds) / 1e9

    def _steady_seconds(self) -> float:
        return float(self._steady.now().nanoseconds) / 1e9


def _flaw(goal: RunEpisode.Goal) -> str | None:
    """Return why an episode cannot be run with a goal, or None."""
    if not goal.timeout > 0.0:
        return f'timeout = {goal.timeout} s: needs to be positive'
    if not math.isfinite(goal.move_goal):
        return f'move_goal = {goal.move_goal} m: needs to be finite'
    if goal.seed > _LARGEST_SEED:
        return f'seed = {goal.seed}: needs to be at most {_LARGEST_SEED}'
    return None


def main() -> int:
    """Run the node."""
    return run_node(EpisodeRunnerNode)
