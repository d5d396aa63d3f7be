# SPDX-License-Identifier: Apache-2.0
"""Whole joint states from messages that hold only some joints each, as of an arm and its hand.

```
arm       o   o   o   o   o        o: a message with its stamp
fingers      o       o      o
taken     .  x   x   x   x         x: each joint interpolated at the stamp of a message
```
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from dp_ros.arrays import Array
from dp_ros.robot.joint_names import in_order
from dp_ros.robot.units import MS
import numpy as np


class JointMerger:
    """Merges joint states by the stamps of their messages, whatever the order they come in.

    :param gap_ns: largest time between two messages to interpolate a joint between [ns].
    """

    def __init__(self, joint_names: tuple[str, ...], gap_ns: int) -> None:
        self._names = joint_names
        self._gap_ns = gap_ns
        self._tracks: dict[str, list[tuple[int, float]]] = {name: [] for name in joint_names}
        self._due: list[int] = []

    def forget(self) -> None:
        """Forget everything."""
        self._due.clear()
        for track in self._tracks.values():
            track.clear()

    def add(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]
    ) -> list[tuple[int, Array]]:
        """Take a message; return the stamps [ns] and positions (J,) that it completes.

        :raises ValueError: for a message that cannot be used, or without a joint that no other
            message holds within the gap.
        """
        held = tuple(name for name in self._names if name in names)
        if not held or len(held) == len(self._names):
            return [(stamp_ns, in_order(self._names, names, positions))]
        for name, value in zip(held, in_order(held, names, positions).tolist(), strict=True):
            self._push(name, stamp_ns, value)
        if stamp_ns not in self._due:
            self._due.insert(bisect_left(self._due, stamp_ns), stamp_ns)
        missing = [
            name
            for name, track in self._tracks.items()
            if not track or track[-1][0] < stamp_ns - self._gap_ns
        ]
        if missing:
            self._due = [each for each in self._due if each > stamp_ns - self._gap_ns]
            raise ValueError(
                f'no {", ".join(missing)} among {list(names)}, nor in another message of the last '
                f'{self._gap_ns / MS:g} ms'
            )
        return self._completed()

    def _push(self, name: str, stamp_ns: int, value: float) -> None:
        track = self._tracks[name]
        if track and stamp_ns <= track[-1][0]:
            late = (track[-1][0] - stamp_ns) / MS
            raise ValueError(f'stamp of {name} goes back by {late:.1f} ms')
        track.append((stamp_ns, value))

    def _completed(self) -> list[tuple[int, Array]]:
        """Return the positions at all stamps that every joint's messages reach."""
        end_ns = min(track[-1][0] for track in self._tracks.values())
        due = [stamp_ns for stamp_ns in self._due if stamp_ns <= end_ns]
        self._due = self._due[len(due) :]
        found = []
        for stamp_ns in due:
            values = [self._at(track, stamp_ns) for track in self._tracks.values()]
            if None not in values:
                found.append((stamp_ns, np.array(values, dtype=np.float64)))
        for track in self._tracks.values():
            del track[: max(0, bisect_left(track, (end_ns,)) - 1)]
        return found

    def _at(self, track: Sequence[tuple[int, float]], stamp_ns: int) -> float | None:
        """Return a joint's position, or None before its first message and in a gap."""
        after = bisect_left(track, (stamp_ns,))
        after_ns, value = track[after]
        if after_ns == stamp_ns:
            return value
        if after == 0 or after_ns - track[after - 1][0] > self._gap_ns:
            return None
        before_ns, before = track[after - 1]
        return before + (stamp_ns - before_ns) / (after_ns - before_ns) * (value - before)
