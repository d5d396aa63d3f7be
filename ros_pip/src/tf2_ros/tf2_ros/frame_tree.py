# SPDX-License-Identifier: Apache-2.0
"""The tree of frames: who hangs on whom, and the way from one to another.

The walk and the wording of the refusals are upstream's (`tf2/src/buffer_core.cpp`).
"""

from __future__ import annotations

from collections.abc import Iterator

from .caches import Link, StaticCache, TimeCache
from .exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
)
from .rigid import Rigid

MAX_GRAPH_DEPTH = 1000
TARGET, SOURCE, FIXED = (
    f'lookupTransform argument {role}_frame' for role in ('target', 'source', 'fixed')
)


class FrameTree:
    """All frames; a root has no cache of its own."""

    def __init__(self) -> None:
        self.frames: dict[str, TimeCache | StaticCache | None] = {}

    def children(self) -> Iterator[tuple[str, TimeCache | StaticCache]]:
        """Give the frames that have a parent, with what is stored of them."""
        for frame, cache in self.frames.items():
            if cache is not None and cache.latest() is not None:
                yield frame, cache

    def describe(self) -> str:
        """Return a line about each frame that has a parent."""
        return ''.join(
            f'Frame {frame} exists with parent {cache.latest().parent}.\n'
            for frame, cache in self.children()
        )

    def require(self, frame: str, place: str) -> None:
        """Raise if the frame, passed to ``place``, cannot be looked up."""
        problem = _bad_name(frame)
        if problem is not None:
            raise InvalidArgumentException(
                f'Invalid argument "{frame}" passed to {place} - {problem}'
            )
        if frame not in self.frames:
            raise LookupException(f'"{frame}" passed to {place} does not exist. ')

    def validate(self, *frames: str) -> None:
        """Raise with the words of `canTransform` if a frame cannot be looked up."""
        for role, frame in zip(('target', 'source', 'fixed'), frames, strict=False):
            problem = _bad_name(frame)
            if problem is None and frame not in self.frames:
                problem = 'frame does not exist'
            if problem is not None:
                raise LookupException(
                    f'Invalid frame ID "{frame}" passed to canTransform argument '
                    f'{role}_frame - {problem}'
                )

    def lookup(self, target: str, source: str, stamp: int) -> tuple[Rigid, int]:
        """Return the transform and its time."""
        if target == source:
            cache = self.frames.get(target)
            latest = cache.latest() if cache is not None else None
            return Rigid(), stamp or (latest.stamp if latest is not None else 0)
        self.require(target, TARGET)
        self.require(source, SOURCE)
        stamp = stamp or self.latest_common_time(target, source)
        return self._walk(target, source, stamp), stamp

    def _walk(self, target: str, source: str, stamp: int) -> Rigid:
        """Climb from the source to the target or as far as there is data, then from the target."""
        top, source_in_top, missing = self._climb(source, stamp, (target,))
        if top == target:
            return source_in_top
        end, target_in_end, missing_below = self._climb(target, stamp, (top, source))
        if end == source:
            return target_in_end.inverse()
        if end == top:
            return target_in_end.inverse().after(source_in_top)
        missing = missing_below or missing
        if missing is None:
            raise ConnectivityException(_not_connected(target, source))
        raise ExtrapolationException(
            f'{missing}, when looking up transform from frame [{source}] to frame [{target}]'
        )

    def _climb(
        self, start: str, stamp: int, ends: tuple[str, ...]
    ) -> tuple[str, Rigid, ExtrapolationException | None]:
        """Return where the climb ended, the start in it, and what was missing to go on."""
        frame, start_in_frame = start, Rigid()
        try:
            for link in self._links_up(start, stamp):
                if frame in ends:
                    break
                frame, start_in_frame = link.parent, link.transform.after(start_in_frame)
        except ExtrapolationException as error:
            return frame, start_in_frame, error
        return frame, start_in_frame, None

    def _links_up(self, frame: str, stamp: int | None) -> Iterator[Link]:
        """Give the links from a frame to its root, at a time or (None) the newest of each."""
        for _ in range(MAX_GRAPH_DEPTH + 1):
            cache = self.frames.get(frame)
            link = None if cache is None else cache.latest() if stamp is None else cache.at(stamp)
            if link is None:
                return
            yield link
            frame = link.parent
        raise LookupException(
            f'The tf tree is invalid because it contains a loop.\n{self.describe()}\n'
        )

    def latest_common_time(self, target: str, source: str) -> int:
        """Return the oldest of the newest stamps on the way, 0 if all of it is static."""
        up = []
        for link in self._links_up(source, None):
            up.append(link)
            if link.parent == target:
                return _oldest(up)
        parents = [link.parent for link in up]
        down = []
        for link in self._links_up(target, None):
            down.append(link)
            if link.parent in parents:
                return _oldest(down + up[: parents.index(link.parent) + 1])
            if link.parent == source:
                return _oldest(down)
        raise ConnectivityException(_not_connected(target, source))


def _oldest(links: list[Link]) -> int:
    return min((link.stamp for link in links if link.stamp != 0), default=0)


def _bad_name(frame: str) -> str | None:
    if not frame:
        return 'in tf2 frame_ids cannot be empty'
    return "in tf2 frame_ids cannot start with a '/'" if frame.startswith('/') else None


def _not_connected(target: str, source: str) -> str:
    return (
        f"Could not find a connection between '{target}' and '{source}' because they are not part "
        'of the same tree.Tf has two or more unconnected trees.'
    )
