# SPDX-License-Identifier: Apache-2.0
"""What the arm is commanded to do: the reference of its controller, kept here too."""

from __future__ import annotations

from dp_ros.arrays import Array
from dp_ros.control.executor.motion import Motion, State
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
import numpy as np


class CommandedArm:
    """An arm at rest where it was measured to be, and then whatever it is sent."""

    def __init__(self, joint_names: tuple[str, ...], measured: Array) -> None:
        self._reference = TrajectoryReference(joint_names, measured)
        self.stopping = False
        """Whether what it was sent last is a stop."""

    @property
    def sent_nothing(self) -> bool:
        """Whether it has been sent nothing since it was measured."""
        return self._reference.trajectory_id == 0

    @property
    def trajectory_id(self) -> int:
        """How many trajectories it was sent."""
        return self._reference.trajectory_id

    @property
    def end_ns(self) -> int:
        """When it comes to rest [ns]."""
        return self._reference.end_ns

    def obey(self, trajectory: Trajectory, came_ns: int) -> None:
        """Take what somebody else told the controller, as the controller does.

        :raises TrajectoryRejected: by the controller's rules; the running one goes on.
        """
        self._reference.accept(trajectory, came_ns)
        self.stopping = False

    def state(self, time_ns: int) -> State:
        """Return what it is commanded to do at a time."""
        return State(*(value[0] for value in self._reference.sample(np.array([time_ns]))))

    def send(
        self, motion: Motion, join_ns: int, now_ns: int, stopping: bool = False
    ) -> Trajectory:
        """Replace what it does from ``join_ns`` on, and return what to tell the controller."""
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
