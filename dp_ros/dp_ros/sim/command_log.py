# SPDX-License-Identifier: Apache-2.0
"""Log of the commands of the simulated controller, sample by sample."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array
from dp_ros.robot.units import to_ns
from dp_ros.sim.world import PERIOD
import numpy as np
from numpy.typing import NDArray

PERIOD_NS: Final = to_ns(PERIOD)
CAPACITY: Final = 600_000
"""Number of samples that are kept: ten minutes, 72 MB."""


@dataclass(frozen=True)
class CommandLog:
    """Successive commands, one per millisecond, n of them.

    :param stamp_ns: time of the first command [ns].
    :param positions: (n, 7) commanded positions [rad]; ``measured``: measured ones.
    :param trajectory_ids: (n,) number of the accepted trajectory of the command, 0: none.
    """

    stamp_ns: int
    positions: Array
    measured: Array
    trajectory_ids: NDArray[np.uint32]


class CommandRecorder:
    """Recorder that keeps the newest ``capacity`` samples, and at most one batch more.

    :param start_ns: time of the sample with index 0 [ns].
    """

    def __init__(self, start_ns: int, capacity: int = CAPACITY) -> None:
        self._start_ns = start_ns
        self._capacity = capacity
        self._batches: deque[tuple[Array, Array, NDArray[np.uint32]]] = deque()
        self.first = self.total = 0

    def append(self, positions: Array, measured: Array, trajectory_id: int) -> None:
        """Add samples (n, 7) of one trajectory."""
        ids = np.full(len(positions), trajectory_id, dtype=np.uint32)
        self._batches.append((positions, measured, ids))
        self.total += len(ids)
        while self.total - self.first - len(self._batches[0][2]) >= self._capacity:
            self.first += len(self._batches.popleft()[2])

    def read(self, start: int = 0, max_samples: int = 0) -> CommandLog:
        """Return samples from index ``start`` on; ``max_samples`` 0: all.

        :raises ValueError: when the sample ``start`` is no longer kept.
        """
        if start < self.first:
            raise ValueError(
                f'samples before {self.first} are not kept, asked for {start} on: read the log '
                f'within {self._capacity * PERIOD:g} s'
            )
        begin = start - self.first
        wanted = slice(begin, begin + max_samples if max_samples else None)
        empty = (np.zeros((0, 7)), np.zeros((0, 7)), np.zeros(0, dtype=np.uint32))
        columns = zip(empty, *self._batches, strict=True)
        positions, measured, ids = (np.concatenate(column)[wanted] for column in columns)
        return CommandLog(self._start_ns + start * PERIOD_NS, positions, measured, ids)
