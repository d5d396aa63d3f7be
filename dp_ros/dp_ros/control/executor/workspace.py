# SPDX-License-Identifier: Apache-2.0
"""A box that the TCP is kept in."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import ChunkRefused


@dataclass(frozen=True)
class Workspace:
    """A box between two corners in the base frame [m].

    :raises ValueError: when ``low`` is not below ``high`` along every axis.
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

    def check(self, tcp: Array) -> None:
        """Check that the TCP (3,) [m] is inside.

        :raises ChunkRefused: when it is not.
        """
        outside = self.crossing(tcp[None])
        if outside is not None:
            raise ChunkRefused(
                f'TCP at {tcp.round(3).tolist()} m is outside the workspace, beyond {outside[1]}: '
                'move the arm inside, or change workspace_low and workspace_high'
            )

    def crossing(self, tcp: Array) -> tuple[int, str] | None:
        """Return index and border of the first TCP position of (m, 3) [m] that is outside."""
        outside = ~((tcp >= self.low) & (tcp <= self.high))
        if not outside.any():
            return None
        sample = int(outside.any(axis=1).argmax())
        axis = int(outside[sample].argmax())
        corner = self.low if tcp[sample, axis] < self.low[axis] else self.high
        return sample, f'{"xyz"[axis]} = {corner[axis]:g} m'
