# SPDX-License-Identifier: Apache-2.0
"""A box that the TCP is kept in."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.robot.kinematics import forward


@dataclass(frozen=True)
class Workspace:
    """The box between two corners in the base frame [m]; the TCP is the Franka Hand's.

    :raises ValueError: when there is no room between the corners.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        if len(self.low) != 3 or len(self.high) != 3:
            raise ValueError(f'workspace from {self.low} to {self.high}: each needs x, y and z')
        for axis, low, high in zip('xyz', self.low, self.high, strict=True):
            if not low < high:
                raise ValueError(
                    f'workspace_low is {low} m and workspace_high {high} m in {axis}: '
                    'needs the lower one first'
                )

    def check(self, position: Array) -> None:
        """Check where the arm is, given its joints (n,) [rad].

        :raises ChunkRefused: when the TCP is outside.
        """
        outside = self.crossing(position[None])
        if outside is not None:
            tcp = forward(position).round(3).tolist()
            raise ChunkRefused(
                f'TCP at {tcp} m is outside the workspace, beyond {outside[1]}: move the arm '
                'inside, or change workspace_low and workspace_high'
            )

    def crossing(self, positions: Array) -> tuple[int, str] | None:
        """Return where the TCP is outside first, given joints (m, n), and beyond which border."""
        tcp = forward(positions)
        outside = (tcp < self.low) | (tcp > self.high)
        if not outside.any():
            return None
        sample = int(outside.any(axis=1).argmax())
        axis = int(outside[sample].argmax())
        corner = self.low if tcp[sample, axis] < self.low[axis] else self.high
        return sample, f'{"xyz"[axis]} = {corner[axis]:g} m'
