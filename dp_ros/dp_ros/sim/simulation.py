# SPDX-License-Identifier: Apache-2.0
"""The robot, its controllers and the running episode, advanced to a given time."""

from __future__ import annotations

from enum import IntEnum

from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference, TrajectoryRejected
from dp_ros.robot.units import NS, to_ns
from dp_ros.sim.command_log import PERIOD_NS, CommandRecorder
from dp_ros.sim.model import FINGER_OPEN
from dp_ros.sim.scenario import Scene
from dp_ros.sim.world import FrankaWorld
import numpy as np

_BATCH = 10
"""Number of steps from one check of the episode to the next."""


_SLACK = 0.05
"""Largest distance of a first trajectory's begin from the arm [rad]."""


class EpisodeState(IntEnum):
    """State of the episode; the numbers are those of dp_ros_msgs/EpisodeStatus."""

    IDLE = 0
    RUNNING = 1
    SUCCESS = 2
    COLLISION = 3
    FAILURE = 4


class Simulation:
    """A world with its joint trajectory controllers, and the state of the episode.

    `advance` sets the time: the state is that at ``now_ns``, a whole number of milliseconds after
    the reset.
    """

    def __init__(self, world: FrankaWorld, now_ns: int) -> None:
        self.world = world
        self.reset(world.scene, now_ns)
        self.state = EpisodeState.IDLE

    def reset(self, scene: Scene, now_ns: int) -> None:
        """Begin an episode: the arm rests at the scene's start, the command log is empty."""
        self.world.reset(scene)
        self.now_ns = self.start_ns = now_ns
        self.state = EpisodeState.RUNNING
        self.side = ''
        self._arm = TrajectoryReference(JOINT_NAMES, self.world.start_positions)
        fingers = np.full(len(FINGER_NAMES), self.world.scenario.finger_start)
        self._hand = TrajectoryReference(FINGER_NAMES, fingers)
        self.log = CommandRecorder(now_ns + PERIOD_NS)

    def accept(self, trajectory: Trajectory) -> None:
        """Let the arm's controller follow a trajectory from now on.

        :raises TrajectoryRejected: where the controller rejects it, or it begins where the arm
            was before the reset, which no real arm has.
        """
        if self._arm.trajectory_id == 0:
            self._check_begin(trajectory)
        self._arm.accept(trajectory, self.now_ns)

    def _check_begin(self, trajectory: Trajectory) -> None:
        names, positions = trajectory.joint_names, np.asarray(trajectory.positions)
        fits = sorted(names) == sorted(JOINT_NAMES) and positions.shape[1:] == (len(names),)
        if not fits or len(positions) == 0 or not np.isfinite(positions).all():
            return  # The controller rejects it with the reason.
        order = [names.index(name) for name in JOINT_NAMES]
        begin_ns = (trajectory.start_ns or self.now_ns) + to_ns(float(trajectory.times[0]))
        distance = np.abs(positions[0, order] - self.world.start_positions)
        reach = FR3_LIMITS.velocity * max(0.0, (begin_ns - self.now_ns) / NS) + _SLACK
        if (distance > reach).any():
            raise TrajectoryRejected(
                f'begins {distance.max():.2f} rad from where the reset has put the arm'
            )

    def accept_fingers(self, trajectory: Trajectory) -> None:
        """Let the hand's controller follow a trajectory of both fingers from now on.

        :raises TrajectoryRejected: where the controller rejects it, or beyond the hand's range.
        """
        positions = trajectory.positions
        if not ((positions >= 0) & (positions <= FINGER_OPEN)).all():
            raise TrajectoryRejected(f'finger positions: need 0 to {FINGER_OPEN} m')
        self._hand.accept(trajectory, self.now_ns)

    def advance(self, until_ns: int) -> None:
        """Simulate up to ``until_ns``, in steps of 1 ms."""
        while (steps := min(_BATCH, (until_ns - self.now_ns) // PERIOD_NS)) > 0:
            self._step(steps)
            self._judge()

    def _step(self, steps: int) -> None:
        times = self.now_ns + PERIOD_NS * np.arange(1, steps + 1)
        positions, velocities, _ = self._arm.sample(times)
        fingers = self._hand.sample(times)[0].mean(axis=1)
        measured = self.world.step(positions, velocities, fingers)
        self.log.append(positions, measured, self._arm.trajectory_id)
        self.now_ns = int(times[-1])

    def _judge(self) -> None:
        world = self.world
        self.side = self.side or world.scenario.side(world)
        if self.state is EpisodeState.RUNNING:
            if world.collision:
                self.state = EpisodeState.COLLISION
            elif world.scenario.succeeded(world):
                self.state = EpisodeState.SUCCESS
            elif world.scenario.failed(world):
                self.state = EpisodeState.FAILURE
