# SPDX-License-Identifier: Apache-2.0
"""A chunk of actions in time: which of its points are still to be followed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dp_ros.arrays import Array
from dp_ros.robot.joint_names import renamed
from dp_ros.robot.units import NS
import numpy as np

MOST_POINTS: Final = 256
"""A chunk of more points is refused: it would take too long to plan."""


class ChunkRefused(ValueError):
    """A chunk is not followed; the message says why."""


class ChunkLate(ChunkRefused):
    """Every point of the chunk has passed."""


@dataclass(frozen=True)
class Chunk:
    """Actions of a policy.

    :param stamp_ns: time of the observation it was made from [ns].
    :param times: (n_points,) times of the actions [s after the stamp], increasing.
    :param positions: (n_points, n_joints) positions of the actions [rad].
    :param received_ns: time when it came [ns].
    :param smooth: whether its path is smooth already, as that of teleoperation.
    :param pose: whether its last point is a pose to come to rest at, gently, whenever that is.
    """

    stamp_ns: int
    joint_names: tuple[str, ...]
    times: Array
    positions: Array
    received_ns: int = 0
    smooth: bool = False
    pose: bool = False

    def reordered(self, joint_names: tuple[str, ...], optional: tuple[str, ...] = ()) -> Chunk:
        """Return the chunk with its joints in another order, the optional ones last.

        :param optional: joints that the chunk may also have, all or some (one finger for both).
        :raises ChunkRefused: when a joint is missing, or one is neither needed nor optional.
        """
        wanted = joint_names + tuple(name for name in optional if name in self.joint_names)
        if sorted(wanted) != sorted(self.joint_names):
            needed = f'{list(joint_names)}' + (f', with {list(optional)}' if optional else '')
            raise ChunkRefused(
                f'chunk for joints {list(self.joint_names)}: needs {needed}'
                f'{renamed(joint_names, self.joint_names)}'
            )
        order = [self.joint_names.index(name) for name in wanted]
        return replace(self, joint_names=wanted, positions=self.positions[:, order])

    def due_after(
        self, time_ns: int, n_action_steps: int, done: float | None = None
    ) -> tuple[Array, Array]:
        """Return the next points that are due after ``time_ns``.

        ```
        stamp          time_ns
          k=0   1   2   3 │ 4   5   6   7   8   9        dropped: 0 to 3
                          │ └── n_action_steps ──┘
        ```

        :param done: progress of a slowed arm along the chunk at ``time_ns`` [s of the chunk];
            None: the time that has passed since the stamp.
        :returns: times (m,) [s after ``time_ns``] and positions (m, n_joints).
        :raises ChunkLate: when every point was due by ``time_ns``.
        """
        passed = (time_ns - self.stamp_ns) / NS
        if self.times[-1] <= passed:
            late = passed - self.times[-1]
            raise ChunkLate(f'chunk came {late * 1e3:.0f} ms after its last point')
        times = self.times - (passed if done is None else done)
        ahead = np.flatnonzero(times > 0)[:n_action_steps]
        return times[ahead], self.positions[ahead]


def check_chunk(chunk: Chunk, now_ns: int, newest_ns: int) -> None:
    """Check the stamp, the size, the shapes and the values of a chunk.

    :param newest_ns: stamp of the newest chunk that was followed [ns].
    :raises ChunkRefused: with the first one that is wrong.
    """
    if chunk.stamp_ns == 0:
        raise ChunkRefused('chunk has a stamp of zero: its observation has no time')
    if chunk.stamp_ns > now_ns:
        ahead = (chunk.stamp_ns - now_ns) / NS
        raise ChunkRefused(
            f'chunk is stamped {ahead:.3f} s in the future: are clocks synchronized?'
        )
    if chunk.stamp_ns < newest_ns:
        raise ChunkRefused('chunk is older than the one that runs')
    check_size(len(chunk.times))
    shape = (len(chunk.times), len(chunk.joint_names))
    if chunk.positions.shape != shape:
        raise ChunkRefused(f'chunk has positions of shape {chunk.positions.shape}, needs {shape}')
    if not (np.isfinite(chunk.positions).all() and np.isfinite(chunk.times).all()):
        raise ChunkRefused('chunk holds a value that is not finite')
    if (np.diff(chunk.times) <= 0).any():
        raise ChunkRefused('chunk has times that do not increase')


def check_size(n_points: int) -> None:
    """Check how many points a chunk has.

    :raises ChunkRefused: when it has none, or more than `MOST_POINTS`.
    """
    if n_points == 0:
        raise ChunkRefused('chunk has no points')
    if n_points > MOST_POINTS:
        raise ChunkRefused(f'chunk has {n_points} points: at most {MOST_POINTS}')
