# SPDX-License-Identifier: Apache-2.0
"""The way to the start pose: chunks of one pose, until the arm rests there.

```
executor/go_to_start ──●───●───●───●──────── arrived ── policy left out ──┤ executor/resume
                       └ PERIOD┘       └ a person's chunk, an interlock: the way ends
```

The chunks are joined, limited, checked and slowed like all others (`ChunkExecutor`). Each one
plans the rest of the way anew, so that a changed speed counts at once.
"""

from __future__ import annotations

from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import Chunk, ChunkRefused
from dp_ros.control.executor.chunk_executor import ChunkExecutor
from dp_ros.robot.units import NS, to_ns
import numpy as np

PERIOD: Final = 0.5
"""Time between two chunks on the way [s]."""
TOLERANCE: Final = 0.005
"""Distance of every joint from the pose at which the arm has arrived [rad]."""

_NEAR: Final = 0.1  # What is left of the way is not planned anew from here on [rad].
_PATIENCE_NS: Final = 10 * NS  # Time in which the arm has to come nearer.
_ONWARDS: Final = 'executor/resume lets the policy go on'


class WayToStart:
    """One way after the other; ``said`` describes the last one, or how it ended."""

    def __init__(self) -> None:
        self.said = ''
        self._goal: Array | None = None
        self._due_ns = self._nearer_ns = 0
        self._left = np.inf

    @property
    def runs(self) -> bool:
        """Whether the arm is on its way."""
        return self._goal is not None

    def begin(self, goal: Array, core: ChunkExecutor, now_ns: int) -> None:
        """Begin the way to a pose (n,) [rad].

        :raises ChunkRefused: when the pose is out of the arm's reach, or it is not known where the
            arm is.
        """
        position, model = core.position(now_ns), core.model
        if position is None or model is None:
            raise ChunkRefused(core.reason)
        lower, upper = model.limits.range()
        beyond = np.maximum(lower - goal, goal - upper)
        joint = int(beyond.argmax())
        if beyond[joint] > 0:
            raise ChunkRefused(
                f'start_positions: {core.joint_names[joint]} at {goal[joint]:.3f} rad: needs '
                f'{lower[joint]:.3f} to {upper[joint]:.3f}'
            )
        self._goal = goal
        self._due_ns = self._nearer_ns = now_ns
        self._left = np.inf
        way = np.abs(goal - position)
        joint = int(way.argmax())
        self.said = f'going to the start pose: {core.joint_names[joint]} by {way[joint]:.2f} rad'

    def end(self, why: str) -> None:
        """End the way, if the arm is on it; what runs ends at rest."""
        if self.runs:
            self._goal, self.said = None, f'did not arrive at the start pose: {why}; {_ONWARDS}'

    def tick(self, core: ChunkExecutor, now_ns: int) -> Chunk | None:
        """Return the chunk to follow now, or None."""
        if self._goal is None:
            return None
        position = core.position(now_ns)
        if core.interlocks or position is None:
            self.end(core.reason)
            return None
        left, rests = float(np.abs(self._goal - position).max()), not core.is_moving(now_ns)
        if rests and left < TOLERANCE:
            self._goal, self.said = None, f'at the start pose; {_ONWARDS}'
            return None
        if left < self._left - TOLERANCE:
            self._left, self._nearer_ns = left, now_ns
        elif now_ns - self._nearer_ns > _PATIENCE_NS:
            self.end(f'{left:.2f} rad are left, and the arm comes no nearer')
            return None
        if now_ns < self._due_ns or not (rests or left > _NEAR):
            return None
        self._due_ns = now_ns + to_ns(PERIOD)
        times = np.array([PERIOD])
        return Chunk(now_ns, core.joint_names, times, self._goal[None], now_ns, pose=True)
