# SPDX-License-Identifier: Apache-2.0
"""A chunk on its way to a trajectory: what it is planned from, the plan, and when all that was."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.control.executor.chunk import Chunk
from dp_ros.control.executor.commanded import CommandedArm, Join
from dp_ros.control.executor.pace import Ramp
from dp_ros.control.executor.planner import ChunkPlan, Planner
from dp_ros.robot.trajectory import Trajectory


@dataclass(frozen=True)
class Request:
    """A chunk, and all that a plan for it depends on; `plan` may run in another thread.

    :param join: commanded motion up to where the new one begins.
    :param now_ns: time when the chunk was accepted [ns].
    :param lead_ns: time from which on its points are followed [ns].
    :param arm: the commanded arm and the number of trajectories it was sent; the plan is dropped
        when they have changed. None: shadow mode.
    """

    chunk: Chunk
    planner: Planner
    n_action_steps: int
    join: Join
    ramp: Ramp
    now_ns: int
    lead_ns: int
    arm: tuple[CommandedArm, int] | None

    def plan(self) -> Planned:
        """Plan how to follow the chunk.

        :raises ChunkRefused: when it cannot be followed.
        """
        join, caution = self.join, self.planner.caution
        if self.chunk.pose:
            pose = self.chunk.positions[-1]
            plan = self.planner.approach(join.state, pose, self.ramp, join.time_ns)
            return Planned(self, plan, join.trajectory(plan.motion))
        done = self.ramp.done(self.chunk.stamp_ns, join.time_ns)
        done *= float(caution.factor(join.state.position[None])[0])
        times, points = self.chunk.due_after(self.lead_ns, self.n_action_steps, done)
        plan = self.planner.plan(join.state, times, points, self.ramp, join.time_ns)
        return Planned(self, plan, join.trajectory(plan.motion))


@dataclass(frozen=True)
class Planned:
    """A motion that follows a chunk, and its trajectory.

    It is sent only if it reaches the controller in time.
    """

    request: Request
    plan: ChunkPlan
    trajectory: Trajectory


@dataclass(frozen=True)
class Spent:
    """Time that a chunk took until its trajectory could be sent [s].

    :param planned_ns: time when it was planned [ns].
    :param planning: time of planning; ``computing`` is the part of it in which a core computed.
    :param message: time of making the message.
    """

    planned_ns: int
    planning: float
    computing: float
    message: float

    def __str__(self) -> str:
        return (
            f'planning took {self.planning * 1e3:.0f} ms, {self.computing * 1e3:.0f} ms of them '
            f'on a core, and its message {self.message * 1e3:.0f} ms'
        )


@dataclass(frozen=True)
class ChunkTimes:
    """Times of a chunk that is followed [ns]; 0: not yet."""

    stamp_ns: int = 0
    received_ns: int = 0
    planned_ns: int = 0
    sent_ns: int = 0
    join_ns: int = 0
