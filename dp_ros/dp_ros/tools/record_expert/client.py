# SPDX-License-Identifier: Apache-2.0
"""Client that runs the expert through the nodes: `franka_sim` moves, `demo_recorder` records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
import time
from typing import Any

from dp_ros.robot.kinematics import forward
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import NS, to_ns
from dp_ros.ros.conversions import ns_to_time, place_to_msg, time_to_ns, trajectory_to_msg
from dp_ros.ros.qos import NEWEST, latched
from dp_ros.sim.scenario import Point2D
from dp_ros.tools.record_expert.episodes import REACTION, ExpertEpisode
from dp_ros_msgs.msg import EpisodeStatus
from dp_ros_msgs.srv import ResetEpisode, StartEpisode, StopEpisode
from geometry_msgs.msg import PoseStamped
import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

_LEAD = 0.1
_GRIPPER_LEAD = 0.5
_TAIL = 0.3
_STRAYED = 0.01  # [m], far more than the arm lags behind its commands
_LATCHED = latched(10)


class ExpertError(RuntimeError):
    """No episode can be recorded; the message says what is missing."""


@dataclass(frozen=True)
class DemonstrationOutcome:
    """Outcome of a demonstration.

    :param path: folder of its bag, empty when it was discarded.
    :param reason: reason why it was discarded.
    """

    path: str
    reason: str


class ExpertClient(Node):
    """Runs one demonstration after the other.

    :param controller_name: name of the simulated arm's controller.
    :param failure: function that is called while waiting; a returned text ends the wait.
    """

    def __init__(
        self, controller_name: str, failure: Callable[[], str | None], **kwargs: Any
    ) -> None:
        super().__init__('record_expert', **kwargs)
        self._failure = failure
        self._spinner = SingleThreadedExecutor(context=self.context)
        self._spinner.add_node(self)
        self._status: EpisodeStatus | None = None
        self._followed: Trajectory | None = None
        self._strayed = 0.0
        self._commands = self.create_publisher(
            JointTrajectory, f'{controller_name}/joint_trajectory', NEWEST
        )
        self._fingers = self.create_publisher(JointTrajectory, 'gripper/target', NEWEST)
        self._goals = self.create_publisher(PoseStamped, 'goal_pose', NEWEST)
        self._obstacles = self.create_publisher(PoseStamped, 'obstacle_pose', NEWEST)
        self._reset = self.create_client(ResetEpisode, 'franka_sim/reset')
        self._start = self.create_client(StartEpisode, 'demo_recorder/start')
        self._stop = self.create_client(StopEpisode, 'demo_recorder/stop')
        self._discard = self.create_client(Trigger, 'demo_recorder/discard')
        self.create_subscription(EpisodeStatus, 'episode/status', self._on_status, _LATCHED)

    def simulation_runs(self, timeout: float) -> bool:
        """Tell whether a simulation runs already under this name and domain."""
        return bool(self._reset.wait_for_service(timeout_sec=timeout))

    def wait_until_ready(self, timeout: float, has_gripper: bool = False) -> None:
        """Wait until the nodes run and receive the commands.

        :raises ExpertError: naming what is missing.
        """
        for client in (self._reset, self._start, self._stop, self._discard):
            self._wait(client.service_is_ready, timeout, f'no service {client.srv_name}')
        listeners = {self._commands: 'the simulation'}
        if has_gripper:
            listeners[self._fingers] = 'the gripper'
        for publisher, listener in listeners.items():
            self._wait(
                lambda publisher=publisher: publisher.get_subscription_count() >= 2,
                timeout,
                f'{publisher.topic_name} is not heard by both {listener} and the recorder',
            )
        self._wait(lambda: self._status is not None, timeout, 'nothing on episode/status')

    def record(self, episode: ExpertEpisode) -> DemonstrationOutcome:
        """Run one demonstration and keep it if it reaches the goal.

        :raises ExpertError: when a node does not answer, or the simulation stops.
        """
        reset = self._call(self._reset, ResetEpisode.Request(seed=episode.scene.seed))
        # A status with exactly the time of the reset was published before it.
        start_ns = time_to_ns(reset.stamp) + 1
        self._call(self._start, self._start_request(episode, start_ns))
        self._follow(episode)
        flaw = self._flaw(episode)
        if flaw:
            self._call(self._discard, Trigger.Request())
            return DemonstrationOutcome('', flaw)
        stopped = self._call(self._stop, StopEpisode.Request(succeeded=True))
        return DemonstrationOutcome(stopped.path, '')

    def _flaw(self, episode: ExpertEpisode) -> str:
        """Return why the demonstration is discarded; empty when it is kept."""
        if self._strayed > _STRAYED:
            return (
                f'went up to {self._strayed * 1e3:.0f} mm off its path: the command came late, on '
                'a machine that is too busy'
            )
        status, tolerance = self._status, episode.scenario.tolerance
        strayed = tolerance > 0.0 and status.distance > tolerance
        if status.state != EpisodeStatus.SUCCESS or strayed:
            touched = f', touched the {status.collision_with}' if status.collision_with else ''
            return f'ended {status.distance * 1e3:.0f} mm from the goal{touched}'
        return '' if status.side == episode.side else f'went by {status.side or "no side"}'

    def _start_request(self, episode: ExpertEpisode, start_ns: int) -> StartEpisode.Request:
        info = {
            'start_ns': start_ns,
            'attempt': episode.attempt,
            'seed': episode.scene.seed,
            'side': episode.side,
            'goal_moves': str(episode.jump is not None).lower(),
            'obstacle_moves': str(episode.obstacle_jump is not None).lower(),
        }
        if episode.order:
            info['order'] = episode.order
        return StartEpisode.Request(
            task=episode.scenario.name,
            keys=list(info),
            values=[str(value) for value in info.values()],
        )

    def _follow(self, episode: ExpertEpisode) -> None:
        """Command the trajectory, move what is to move in time, and wait for the end."""
        # Stamped, so that simulation and recording agree on the start, whenever it arrives.
        lead = _LEAD if episode.fingers is None else _GRIPPER_LEAD
        start_ns = self._status_ns() + to_ns(lead)
        self._followed = replace(episode.trajectory, start_ns=start_ns)
        self._strayed = 0.0
        self._commands.publish(trajectory_to_msg(self._followed))
        if episode.fingers is not None:
            self._fingers.publish(trajectory_to_msg(replace(episode.fingers, start_ns=start_ns)))
        if (jump := episode.jump) is not None:
            self._move(self._goals, jump.goal, start_ns + to_ns(jump.time - REACTION))
        if (aside := episode.obstacle_jump) is not None:
            self._move(self._obstacles, aside.obstacle, start_ns + to_ns(aside.time - REACTION))
        self._wait_until(start_ns + to_ns(episode.duration + _TAIL))
        self._followed = None

    def _move(self, publisher: Any, place: Point2D, time_ns: int) -> None:
        """Move goal or obstacle to a place (x, y) [m] when it is time."""
        self._wait_until(time_ns)
        publisher.publish(place_to_msg((*place, 0.0), ns_to_time(self._status_ns())))

    def _wait_until(self, time_ns: int) -> None:
        self._wait(lambda: self._status_ns() >= time_ns, 60.0, 'the simulation stands still')

    def _status_ns(self) -> int:
        return time_to_ns(self._status.header.stamp)

    def _on_status(self, status: EpisodeStatus) -> None:
        self._status = status
        if self._followed is not None:
            self._strayed = max(self._strayed, _off_path(self._followed, status))

    def _call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self._wait(future.done, 10.0, f'no answer from {client.srv_name}')
        response = future.result()
        if not response.success:
            raise ExpertError(f'{client.srv_name}: {response.message}')
        return response

    def _wait(self, done: Callable[[], bool], timeout: float, missing: str) -> None:
        deadline = time.monotonic() + timeout
        while not done():
            reason = self._failure()
            if reason is not None:
                raise ExpertError(reason)
            if time.monotonic() > deadline:
                raise ExpertError(f'{missing} (waited {timeout:g} s)')
            self._spinner.spin_once(timeout_sec=0.05)


def _off_path(trajectory: Trajectory, status: EpisodeStatus) -> float:
    """Return the distance of the TCP from its place on a trajectory at that time [m]."""
    elapsed = (time_to_ns(status.header.stamp) - trajectory.start_ns) / NS
    if elapsed < trajectory.times[0]:
        return 0.0
    columns = trajectory.positions.T
    positions = np.array([np.interp(elapsed, trajectory.times, column) for column in columns])
    tcp = [status.tcp.x, status.tcp.y, status.tcp.z]
    return float(np.linalg.norm(forward(positions) - tcp))
