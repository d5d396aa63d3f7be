# SPDX-License-Identifier: Apache-2.0
"""What is stored of one frame: its transforms to its parent over time, or one that stays.

Times are integer nanoseconds; 0 stands for the latest. The wording of the refusals is upstream's
(`tf2/src/cache.cpp`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import NamedTuple

from .exceptions import ExtrapolationException
from .rigid import Rigid


class Link(NamedTuple):
    """The frame in its parent, at one time."""

    stamp: int
    parent: str
    transform: Rigid


_stamp = attrgetter('stamp')


class StaticCache:
    """One transform, valid at all times; clearing does not forget it."""

    def __init__(self) -> None:
        self.link: Link | None = None

    def insert(self, link: Link) -> bool:
        """Replace the transform."""
        self.link = link._replace(stamp=0)
        return True

    def latest(self) -> Link | None:
        """Return the transform, stamped 0."""
        return self.link

    def at(self, stamp: int) -> Link:
        """Return the transform, stamped as asked."""
        return self.link._replace(stamp=stamp)

    def clear(self) -> None:
        """Keep the transform."""

    def span(self) -> tuple[int, int, int]:
        """Return the oldest stamp, the newest stamp and the number of transforms."""
        return 0, 0, 1


class TimeCache:
    """The transforms of the last ``duration`` [ns] before the newest, sorted by stamp."""

    def __init__(self, duration: int) -> None:
        self.duration = duration
        self.links: list[Link] = []

    def insert(self, link: Link) -> bool:
        """Store a transform; return False if it is too old to be."""
        newest = self.links[-1].stamp if self.links else 0
        while self.links and self.links[0].stamp + self.duration < newest:
            del self.links[0]
        if self.links and link.stamp < newest - self.duration:
            return False
        index = self._after(link.stamp)
        if link not in self.links[self._from(link.stamp) : index]:
            self.links.insert(index, link)
        return True

    def _from(self, stamp: int) -> int:
        """Return the index of the first transform that is as new or newer."""
        return bisect_left(self.links, stamp, key=_stamp)

    def _after(self, stamp: int) -> int:
        """Return the index of the first transform that is newer."""
        return bisect_right(self.links, stamp, key=_stamp)

    def latest(self) -> Link | None:
        """Return the newest transform."""
        return self.links[-1] if self.links else None

    def at(self, stamp: int) -> Link:
        """Return the transform at a time, interpolated; raises ExtrapolationException."""
        if not self.links:
            raise ExtrapolationException('')
        if stamp in (0, self.links[-1].stamp):
            return self.links[-1]
        if stamp == self.links[0].stamp:
            return self.links[0]
        self._refuse_extrapolation(stamp)
        index = self._after(stamp)
        older, newer = self.links[index - 1], self.links[index]
        if older.parent != newer.parent:
            return older
        ratio = (stamp - older.stamp) / (newer.stamp - older.stamp)
        return older._replace(transform=older.transform.towards(newer.transform, ratio))

    def _refuse_extrapolation(self, stamp: int) -> None:
        oldest, newest = self.links[0].stamp, self.links[-1].stamp
        asked = f'Lookup would require extrapolation {{}} time {seconds(stamp)}'
        if len(self.links) == 1:
            raise ExtrapolationException(
                f'{asked.format("at")}, but only time {seconds(newest)} is in the buffer'
            )
        if stamp > newest:
            raise ExtrapolationException(
                f'{asked.format("into the future.  Requested")} '
                f'but the latest data is at time {seconds(newest)}'
            )
        if stamp < oldest:
            raise ExtrapolationException(
                f'{asked.format("into the past.  Requested")} '
                f'but the earliest data is at time {seconds(oldest)}'
            )

    def clear(self) -> None:
        """Forget all transforms."""
        self.links.clear()

    def span(self) -> tuple[int, int, int]:
        """Return the oldest stamp, the newest stamp and the number of transforms."""
        if not self.links:
            return 0, 0, 0
        return self.links[0].stamp, self.links[-1].stamp, len(self.links)


def seconds(stamp: int) -> str:
    """Return a time [ns] as upstream prints it [s]."""
    return f'{stamp * 1e-9:.6f}'
