# SPDX-License-Identifier: Apache-2.0
"""From a chunk's points to the motion that follows them, at its pace, inside the workspace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.control.executor.fit import EXACT, Smoothing
from dp_ros.control.executor.motion import Motion, SpliceError, State
from dp_ros.control.executor.pace import HORIZON, Caution, Ramp, paced, points_at
from dp_ros.control.executor.ruckig_motion import approach
from dp_ros.control.executor.splice import Effort, follow
from dp_ros.control.executor.workspace import Workspace
from dp_ros.robot.arm_model import ArmModel
from dp_ros.robot.units import to_ns
import numpy as np

AS_ASKED: Final = 0.1
"""Largest deviation from points with which a motion still follows them as asked [rad]."""
_SOON: Final = 0.5  # Time over which the speed of an approach is taken from the ramp [s].
_SEEN: Final = 400  # Most samples of a motion that are checked against the workspace.


@dataclass(frozen=True)
class ChunkPlan:
    """A motion, and the points that it follows.

    :param times: (m,) times when the points are due [s after the motion begins].
    :param points: (m, n + f) positions of n joints of the arm [rad] and f fingers.
    :param deviation: largest distance of a joint from a point of the chunk when that is due at
        the set speed [rad].
    :param why: reason of a deviation over `AS_ASKED`, in words; else empty.
    :param border: border of the workspace where the motion ends; None: it does not reach one.
    :param to_pose: whether it leads to a pose to rest at.
    """

    motion: Motion
    times: Array
    points: Array
    deviation: float = 0.0
    why: str = ''
    border: str | None = None
    to_pose: bool = False

    @property
    def as_asked(self) -> bool:
        """Whether it follows the chunk's path, to its end, within `AS_ASKED`."""
        return self.deviation <= AS_ASKED

    @property
    def summary(self) -> str:
        """The plan in words."""
        if self.to_pose:
            return 'going to the start pose'
        text = 'approaching a chunk' if self.motion.approach else 'following a chunk'
        if self.border is not None:
            text += f' up to the border of the workspace, {self.border}'
        if self.as_asked:
            return text
        return f'{text}, {self.deviation:.1f} rad off' + (f': {self.why}' if self.why else '')


@dataclass(frozen=True)
class Planner:
    """Plans smooth motions inside limits and workspace, slower near joint limits."""

    model: ArmModel
    caution: Caution
    workspace: Workspace | None = None
    smoothing: Smoothing = EXACT

    def plan(
        self, begin: State, times: Array, points: Array, ramp: Ramp, join_ns: int
    ) -> ChunkPlan:
        """Plan to follow points (m, n + f), due at times (m,) [s] at full speed.

        Where the motion, braking tail included, would leave the workspace, it ends at the last
        point with which it does not.

        :param begin: commanded state of the n joints of the arm at ``join_ns``.
        :raises ChunkRefused: when no point can be followed.
        """
        self._check_inside(begin)
        times, points, speed = self._paced(begin.position, times, points, ramp, join_ns)
        effort = Effort()
        whole = self._follow(begin, times, points, speed, effort)
        crossing = self._crossing(whole)
        if crossing is None:
            return replace(whole, why=self._why(whole))
        seconds, border = crossing
        best, inside, outside = None, 0, len(times)
        if not whole.motion.approach:
            outside = min(outside, int(np.searchsorted(times, seconds)) + 2)
        while outside - inside > 1 and not effort.spent:
            middle = (inside + outside) // 2
            last = np.minimum(np.arange(len(times)), middle - 1)
            plan = self._follow(begin, times, points[last], speed, effort)
            if self._crossing(plan) is None:
                best, inside = plan, middle
            else:
                outside = middle
        if best is None:
            raise ChunkRefused(f'TCP would leave the workspace at {border}')
        deviation = best.motion.distance(times, points[:, : len(begin.position)])
        return replace(best, deviation=deviation, border=border)

    def approach(self, begin: State, pose: Array, ramp: Ramp, join_ns: int) -> ChunkPlan:
        """Plan to come to rest at a pose (n,), or on the way to it where that is long.

        :raises ChunkRefused: when the way is not possible, or leaves the workspace.
        """
        self._check_inside(begin)
        speed = ramp.done(join_ns, join_ns + to_ns(_SOON)) / _SOON
        speed *= float(self.caution.factor(begin.position[None])[0])
        try:
            motion = approach(begin, pose, self.model.limits, speed)
        except SpliceError as error:
            raise ChunkRefused(str(error)) from error
        plan = ChunkPlan(motion, motion.times[-1:], motion.positions[-1:], to_pose=True)
        crossing = self._crossing(plan)
        if crossing is not None:
            raise ChunkRefused(f'the way to the pose would leave the workspace at {crossing[1]}')
        return plan

    def _check_inside(self, begin: State) -> None:
        if self.workspace is not None:
            self.workspace.check(self.model.tcp.position(begin.position))

    def _paced(
        self, position: Array, times: Array, points: Array, ramp: Ramp, join_ns: int
    ) -> tuple[Array, Array, float]:
        """Return when points are due at the set speed, the points, and that speed (0 to 1)."""
        arm = points[:, : len(position)]
        stretched = self.caution.stretched(position, times, arm)
        due, reached = paced(stretched, ramp, join_ns, max(HORIZON, float(times[-1])))
        first = np.concatenate([position, points[0, len(position) :]])
        known = np.concatenate([[0.0], stretched])
        speed = reached[-1] / due[-1] * self.caution.factor(position[None])[0]
        return due, points_at(reached, known, np.concatenate([first[None], points])), float(speed)

    def _follow(
        self, begin: State, times: Array, points: Array, speed: float, effort: Effort
    ) -> ChunkPlan:
        arm = points[:, : len(begin.position)]
        try:
            motion = follow(begin, times, arm, self.model.limits, speed, effort, self.smoothing)
        except SpliceError as error:
            raise ChunkRefused(str(error)) from error
        return ChunkPlan(motion, times, points, motion.deviation)

    def _why(self, plan: ChunkPlan) -> str:
        if plan.as_asked:
            return ''
        lower, upper = self.model.limits.range()
        arm = plan.points[:, : len(lower)]
        beyond = np.maximum(lower - arm, arm - upper).max(axis=0)
        if beyond.max() > AS_ASKED / 2:
            return f'it leads beyond the limit of joint {beyond.argmax() + 1}'
        if plan.motion.approach:
            return 'it is too far away or too fast for the arm to be there in time'
        return 'it turns more sharply than the arm may'

    def _crossing(self, plan: ChunkPlan) -> tuple[float, str] | None:
        """Return when the TCP would leave the workspace [s], and at which border."""
        if self.workspace is None:
            return None
        times = plan.motion.sample_times(_SEEN)
        tcp = self.model.tcp.position(plan.motion.at(times)[0])
        crossing = self.workspace.crossing(tcp)
        return None if crossing is None else (float(times[crossing[0]]), crossing[1])
