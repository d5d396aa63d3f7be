# SPDX-License-Identifier: Apache-2.0
"""The robot, its controller and the running episode, advanced to a given time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from dp_ros.control.trajectory import NS, Trajectory, TrajectoryReference
from dp_ros.sim.kinematics import JOINT_NAMES
from dp_ros.sim.model import FINGER_OPEN
from dp_ros.sim.scene import Scene
from dp_ros.sim.world import PERIOD, FrankaWorld
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PERIOD_NS: Final = round(PERIOD * NS)
FINGER_NAMES: Final = ('fr3_finger_joint1', 'fr3_finger_joint2')


class State(IntEnum):
    """How the episode stands; the numbers are those of dp_ros_msgs/EpisodeStatus."""

    IDLE = 0
    RUNNING = 1
    SUCCESS = 2
    COLLISION = 3


@dataclass(frozen=True)
class CommandLog:
    """Every command since the reset, one per millisecond, n of them.

    :param stamp_ns: time of the first one [ns]; ``positions``, ``measured``: (n, 7) [rad].
    :param trajectory_ids: (n,) which accepted trajectory gave the command, 0 for none.
    """

    stamp_ns: int
    positions: Array
    measured: Array
    trajectory_ids: NDArray[np.int64]


class Simulation:
    """A world with its joint trajectory controller, and the judgement of the episode.

    Time is what `advance` is told: the state is that of ``now_ns``, always a whole number of
    milliseconds after the reset.
    """

    def __init__(self, scene: Scene, now_ns: int) -> None:
        self.world = FrankaWorld(scene)
        self.reset(scene, now_ns)
        self.state = State.IDLE

    def reset(self, scene: Scene, now_ns: int) -> None:
        """Begin an episode: arm at rest at the scene's start, empty command log."""
        self.world.reset(scene)
        self.now_ns = self.start_ns = now_ns
        self.state = State.RUNNING
        self.side = ''
        self._finger = 0.0
        self._reference = TrajectoryReference(JOINT_NAMES, self.world.start_positions)
        self._positions: list[Array] = []
        self._measured: list[Array] = []
        self._ids: list[NDArray[np.int64]] = []

    def accept(self, trajectory: Trajectory) -> None:
        """Let the controller follow a trajectory from now on.

        :raises TrajectoryRejected: by the controller's rules.
        """
        self._reference.accept(trajectory, self.now_ns)

    def move_fingers(self, position: float) -> None:
        """Command each finger's position [m].

        :raises ValueError: when it is outside the hand's range.
        """
        if not 0.0 <= position <= FINGER_OPEN:
            raise ValueError(f'finger position {position} m: needs 0 to {FINGER_OPEN} m')
        self._finger = position

    def advance(self, until_ns: int) -> None:
        """Run up to ``until_ns``, in steps of a millisecond."""
        steps = (until_ns - self.now_ns) // PERIOD_NS
        if steps <= 0:
            return
        times = self.now_ns + PERIOD_NS * np.arange(1, steps + 1)
        positions, velocities, _ = self._reference.sample(times)
        self._measured.append(self.world.step(positions, velocities, self._finger))
        self._positions.append(positions)
        self._ids.append(np.full(steps, self._reference.trajectory_id))
        self.now_ns = int(times[-1])
        self._judge()

    def log(self) -> CommandLog:
        """Return every command since the reset."""
        empty = np.zeros((0, len(JOINT_NAMES)))
        return CommandLog(
            self.start_ns + PERIOD_NS,
            np.concatenate([empty, *self._positions]),
            np.concatenate([empty, *self._measured]),
            np.concatenate([np.zeros(0, dtype=np.int64), *self._ids]),
        )

    def _judge(self) -> None:
        tcp, obstacle = self.world.tcp, self.world.scene.obstacle
        if not self.side and tcp[0] >= obstacle[0]:
            self.side = 'left' if tcp[1] > obstacle[1] else 'right'
        if self.state is State.RUNNING:
            if self.world.collision:
                self.state = State.COLLISION
            elif self.world.reached:
                self.state = State.SUCCESS
