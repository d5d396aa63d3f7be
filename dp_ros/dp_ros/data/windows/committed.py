# SPDX-License-Identifier: Apache-2.0
"""What the arm will do whatever comes: the commands that run until a new chunk can join."""

from __future__ import annotations

from contextlib import suppress

from dp_ros.arrays import Array
from dp_ros.data.windows.commands import CommandHistory
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
from dp_ros.robot.units import to_ns
import numpy as np

_KEPT: float = 2.0
"""Time for which replaced trajectories are kept [s]: no observation is older."""


class CommittedActions:
    """The trajectories that arm and gripper were sent, sampled as actions of a chunk.

    :param joint_names: J joints, in the order of the chunk's.
    :param dt: time between two actions [s].
    """

    def __init__(self, joint_names: tuple[str, ...], dt: float) -> None:
        self._names, self._dt_ns = joint_names, to_ns(dt)
        self.forget()

    def forget(self) -> None:
        """Forget all trajectories."""
        self._history = CommandHistory(self._names, to_ns(_KEPT))

    def accept(self, received_ns: int, trajectory: Trajectory) -> None:
        """Take a trajectory that was sent at ``received_ns``, if the controller does.

        The first one of its joints is taken to begin where its first point lies.
        """
        with suppress(TrajectoryRejected, IndexError):
            first = dict(zip(trajectory.joint_names, trajectory.positions[0], strict=False))
            start = np.array([first.get(name, np.nan) for name in self._names])
            self._history.accept(received_ns, trajectory, start)

    def until(self, stamp_ns: int, join_ns: int, most: int) -> Array:
        """Return the actions (n, J) that are committed, from the observation to the join.

        ```
        stamp             join
          k=0   1   2   3 │ 4   5          4 are committed
        ```

        There are none while a joint was commanded nothing yet, and none at rest: a policy that
        is told that the arm rests would go on resting.

        :param most: largest number; of more, these are the first.
        """
        count = max(0, min((join_ns - stamp_ns) // self._dt_ns + 1, most))
        times = stamp_ns + self._dt_ns * np.arange(-1, count)
        unknown = np.full((len(times), len(self._names)), np.nan)
        values = self._history.sample(times, unknown)
        moving = np.isfinite(values).all() and np.ptp(values, axis=0).any()
        return values[1:] if moving else values[:0]
