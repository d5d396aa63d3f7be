# SPDX-License-Identifier: Apache-2.0
"""From a chunk's points to the motion that follows them: its pace, its joins, its borders."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.control.chunk import ChunkRefused
from dp_ros.control.limits import JointLimits
from dp_ros.control.pace import HORIZON, Caution, Ramp, paced, points_at
from dp_ros.control.splice import Motion, SpliceError, State, follow
from dp_ros.control.workspace import Workspace
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """A motion, and the points that it follows.

    :param times: (m,) when the points are due [s after the motion begins].
    :param points: (m, n + f) of the n joints of the arm and f others.
    :param border: of the workspace, up to which alone the points are followed.
    """

    motion: Motion
    times: Array
    points: Array
    border: str | None = None


@dataclass(frozen=True)
class Planner:
    """What every motion keeps to."""

    limits: JointLimits
    caution: Caution
    workspace: Workspace | None = None

    def plan(self, begin: State, times: Array, points: Array, ramp: Ramp, join_ns: int) -> Plan:
        """Plan to follow points (m, n + f), due at times (m,) [s] at full speed.

        Where the whole would leave the workspace, braking tail included, it stays at the last
        point with which it does not.

        :param begin: of the n joints of the arm, at ``join_ns``.
        :raises ChunkRefused: when no point can be followed.
        """
        if self.workspace is not None:
            self.workspace.check(begin.position)
        times, points = self._paced(begin.position, times, points, ramp, join_ns)
        whole = self._follow(begin, times, points)
        border = self._border(whole)
        if border is None:
            return whole
        best, inside, outside = None, 0, len(times)
        while outside - inside > 1:
            middle = (inside + outside) // 2
            last = np.minimum(np.arange(len(times)), middle - 1)
            plan = self._follow(begin, times, points[last], border)
            if self._border(plan) is None:
                best, inside = plan, middle
            else:
                outside = middle
        if best is None:
            raise ChunkRefused(f'TCP would leave the workspace at {border}')
        return best

    def _paced(
        self, position: Array, times: Array, points: Array, ramp: Ramp, join_ns: int
    ) -> tuple[Array, Array]:
        arm = points[:, : len(position)]
        stretched = self.caution.stretched(position, times, arm)
        due, reached = paced(stretched, ramp, join_ns, max(HORIZON, float(times[-1])))
        first = np.concatenate([position, points[0, len(position) :]])
        known = np.concatenate([[0.0], stretched])
        return due, points_at(reached, known, np.concatenate([first[None], points]))

    def _follow(
        self, begin: State, times: Array, points: Array, border: str | None = None
    ) -> Plan:
        try:
            motion = follow(begin, times, points[:, : len(begin.position)], self.limits)
        except SpliceError as error:
            raise ChunkRefused(str(error)) from error
        return Plan(motion, times, points, border)

    def _border(self, plan: Plan) -> str | None:
        if self.workspace is None:
            return None
        return self.workspace.border(plan.motion.sampled()[0])
