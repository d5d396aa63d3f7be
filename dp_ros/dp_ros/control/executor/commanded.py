# SPDX-License-Identifier: Apache-2.0
"""The commanded motion of the arm: a copy of the reference that its controller follows.

The controller replaces its trajectory at once when a new one comes, and goes on in the segment
that holds then. A trajectory that begins with the knots of the one that runs therefore changes
nothing before the join, whenever it comes until then::

             sent    join
    runs   ──●────●──┼─●────●────●────●      its own knots
    sent     ●────●──●────●────●────●        the same up to the join, then the new motion
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array, Times
from dp_ros.control.executor.motion import Motion, State
from dp_ros.robot.trajectory import Samples, Trajectory, TrajectoryReference
from dp_ros.robot.units import MS, NS
import numpy as np

_PAST_NS: Final = 50 * MS
"""Time before now from which on knots are sent: clocks of two machines may differ a little."""


@dataclass(frozen=True)
class Join:
    """Where a new motion continues the commanded one.

    :param state: commanded state at ``time_ns``.
    :param before_ns: times (k,) of the knots of the commanded motion before that [ns]; none where
        it is not known what the controller does.
    :param before: positions, velocities and accelerations (k, n) there.
    """

    joint_names: tuple[str, ...]
    time_ns: int
    state: State
    before_ns: Times
    before: Samples

    def trajectory(self, motion: Motion) -> Trajectory:
        """Return the trajectory that goes on as commanded up to here, then by the motion."""
        start_ns = int(self.before_ns[0]) if len(self.before_ns) else self.time_ns
        times = [(self.before_ns - start_ns) / NS, (self.time_ns - start_ns) / NS + motion.times]
        columns = motion.positions, motion.velocities, motion.accelerations
        values = (np.concatenate(each) for each in zip(self.before, columns, strict=True))
        return Trajectory(self.joint_names, start_ns, np.concatenate(times), *values)


class CommandedArm:
    """The commanded motion of an arm, which starts at rest where it was measured."""

    def __init__(self, joint_names: tuple[str, ...], measured: Array) -> None:
        self._reference = TrajectoryReference(joint_names, measured)
        self._known_ns: int | None = None  # Time since when the controller does the same.
        self._last: tuple[TrajectoryReference, int | None, bool] | None = None
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
        self._known_ns = None
        self.stopping = False

    def state(self, time_ns: int) -> State:
        """Return the commanded state at a time."""
        return State(*(value[0] for value in self._reference.sample(np.array([time_ns]))))

    def join(self, time_ns: int, now_ns: int) -> Join:
        """Return where a trajectory that is sent from now on may join the commanded motion."""
        before_ns = np.zeros(0, dtype=np.int64)
        if self._known_ns is not None:
            begin_ns = max(self._known_ns, self._reference.begin_ns, now_ns - _PAST_NS)
            if begin_ns < time_ns:
                knots_ns = self._reference.knots_ns(begin_ns, time_ns)
                before_ns = np.concatenate([[begin_ns], knots_ns])
        before = self._reference.sample(before_ns)
        names = self._reference.joint_names
        return Join(names, time_ns, self.state(time_ns), before_ns, before)

    def send(
        self, trajectory: Trajectory, join_ns: int, now_ns: int, stopping: bool = False
    ) -> None:
        """Note that a trajectory was sent, which joins at ``join_ns``."""
        self._last = copy(self._reference), self._known_ns, self.stopping
        self._reference.accept(trajectory, now_ns)
        # It is not known on which way the controller comes to the first trajectory.
        self._known_ns = join_ns if self._known_ns is None else min(self._known_ns, join_ns)
        self.stopping = stopping

    def unsend(self) -> None:
        """Take back the last `send`: the trajectory was not sent after all."""
        assert self._last is not None
        self._reference, self._known_ns, self.stopping = self._last
        self._last = None
