# SPDX-License-Identifier: Apache-2.0
"""The commanded motion of the arm: a copy of the reference that its controller follows."""

from __future__ import annotations

from dp_ros.arrays import Array
from dp_ros.control.executor.motion import Motion, State
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
import numpy as np


class CommandedArm:
    """The commanded motion of an arm, which starts at rest where it was measured."""

    def __init__(self, joint_names: tuple[str, ...], measured: Array) -> None:
        self._reference = TrajectoryReference(joint_names, measured)
        self.stopping = False
        """Whether the last trajectory it was sent is a stop."""

    @property
    def sent_nothing(self) -> bool:
        """Whether it was sent no trajectory since it was measured."""
        return self._reference.trajectory_id == 0

    @property
    def trajectory_id(self) -> int:
        """Number of trajectories it was sent."""
        return self._reference.trajectory_id

    @property
    def end_ns(self) -> int:
        """Time when it comes to rest [ns]."""
        return self._reference.end_ns

    def obey(self, trajectory: Trajectory, came_ns: int) -> None:
        """Follow a trajectory that another node sent to the controller, as the controller does.

        :raises TrajectoryRejected: where the controller rejects it; the running one goes on.
        """
        self._reference.accept(trajectory, came_ns)
        self.stopping = False

    def state(self, time_ns: int) -> State:
        """Return the commanded state at a time."""
        return State(*(value[0] for value in self._reference.sample(np.array([time_ns]))))

    def send(
        self, motion: Motion, join_ns: int, now_ns: int, stopping: bool = False
    ) -> Trajectory:
        """Replace the motion from ``join_ns`` on, and return the trajectory to send."""
        trajectory = Trajectory(
            self._reference.joint_names,
            join_ns,
            motion.times,
            motion.positions,
            motion.velocities,
            motion.accelerations,
        )
        self._reference.accept(trajectory, now_ns)
        self.stopping = stopping
        return trajectory
