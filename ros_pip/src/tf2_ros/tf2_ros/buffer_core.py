# SPDX-License-Identifier: Apache-2.0
"""The tree of frames and the transforms in it; upstream's `tf2::BufferCore` as tf2_py shows it."""

from __future__ import annotations

import threading
from typing import Any

from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
import rclpy.logging
from rclpy.time import Time

from .caches import Link, StaticCache, TimeCache, seconds
from .exceptions import TransformException
from .frame_tree import FIXED, SOURCE, TARGET, FrameTree
from .messages import from_message, nanoseconds, problems, to_message


class BufferCore:
    """Stores transforms and answers how one frame lies in another.

    :param cache_time: how far back transforms are kept, 10 s if not given.
    """

    def __init__(self, cache_time: Duration | None = None) -> None:
        self._cache_time = 10 * 10**9 if cache_time is None else nanoseconds(cache_time)
        self._lock = threading.RLock()
        self._tree = FrameTree()
        self._authorities: dict[str, str] = {}

    def clear(self) -> None:
        """Forget all transforms but the static ones."""
        with self._lock:
            for _, cache in self._tree.children():
                cache.clear()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Store a transform; one that makes no sense is logged and ignored."""
        self._insert(transform, authority, static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Store a transform that holds at all times."""
        self._insert(transform, authority, static=True)

    def _insert(self, message: TransformStamped, authority: str, static: bool) -> None:
        parent = message.header.frame_id.removeprefix('/')
        child = message.child_frame_id.removeprefix('/')
        transform = from_message(message)
        found = list(problems(parent, child, transform, authority))
        for problem in found:
            rclpy.logging.get_logger('tf2').error(problem)
        if found:
            return
        with self._lock:
            frames = self._tree.frames
            cache = frames.get(child)
            if not isinstance(cache, StaticCache if static else TimeCache):
                cache = StaticCache() if static else TimeCache(self._cache_time)
                frames[child] = cache
            frames.setdefault(parent, None)
            stamp = nanoseconds(message.header.stamp)
            stored = cache.insert(Link(stamp, parent, transform))
            if stored:
                self._authorities[child] = authority
        if not stored:
            rclpy.logging.get_logger('tf2').warning(
                f'TF_OLD_DATA ignoring data from the past for frame {child} at time '
                f'{seconds(stamp)} according to authority {authority}\nPossible reasons are '
                'listed at http://wiki.ros.org/tf/Errors%20explained'
            )

    def lookup_transform_core(
        self, target_frame: str, source_frame: str, time: Any
    ) -> TransformStamped:
        """Return the source frame in the target frame; time 0 is the latest they share."""
        with self._lock:
            transform, stamp = self._tree.lookup(target_frame, source_frame, nanoseconds(time))
        return to_message(transform, stamp, target_frame, source_frame)

    def lookup_transform_full_core(
        self,
        target_frame: str,
        target_time: Any,
        source_frame: str,
        source_time: Any,
        fixed_frame: str,
    ) -> TransformStamped:
        """Return the source frame then in the target frame now, by a frame that does not move."""
        with self._lock:
            self._tree.require(target_frame, TARGET)
            self._tree.require(source_frame, SOURCE)
            self._tree.require(fixed_frame, FIXED)
            first, _ = self._tree.lookup(fixed_frame, source_frame, nanoseconds(source_time))
            then, stamp = self._tree.lookup(target_frame, fixed_frame, nanoseconds(target_time))
        return to_message(then.after(first), stamp, target_frame, source_frame)

    def can_transform_core(
        self, target_frame: str, source_frame: str, time: Any
    ) -> tuple[int, str]:
        """Return 1, or 0 and the reason."""
        with self._lock:
            try:
                if target_frame != source_frame:
                    self._tree.validate(target_frame, source_frame)
                    self._tree.lookup(target_frame, source_frame, nanoseconds(time))
            except TransformException as error:
                return 0, str(error)
        return 1, ''

    def can_transform_full_core(
        self,
        target_frame: str,
        target_time: Any,
        source_frame: str,
        source_time: Any,
        fixed_frame: str,
    ) -> tuple[int, str]:
        """Return 1, or 0 and the reason."""
        with self._lock:
            try:
                self._tree.validate(target_frame, source_frame, fixed_frame)
                self._tree.lookup(target_frame, fixed_frame, nanoseconds(target_time))
                self._tree.lookup(fixed_frame, source_frame, nanoseconds(source_time))
            except TransformException as error:
                return 0, str(error)
        return 1, ''

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """Return the newest time at which the frames' transform is known."""
        with self._lock:
            for frame in (target_frame, source_frame):
                self._tree.require(frame, 'get_latest_common_time')
            return Time(nanoseconds=self._tree.latest_common_time(target_frame, source_frame))

    def all_frames_as_string(self) -> str:
        """Return a line about each frame that has a parent."""
        with self._lock:
            return self._tree.describe()

    def all_frames_as_yaml(self) -> str:
        """Return what is stored, per frame that has a parent."""
        with self._lock:
            children = list(self._tree.children())
            texts = [_as_yaml(frame, cache, self._authorities[frame]) for frame, cache in children]
        return ''.join(texts) or '[]'


def _as_yaml(frame: str, cache: TimeCache | StaticCache, authority: str) -> str:
    oldest, newest, count = cache.span()
    return (
        f'{frame}: \n'
        f"  parent: '{cache.latest().parent}'\n"
        f"  broadcaster: '{authority}'\n"
        f'  rate: {count * 1e9 / max(newest - oldest, 100_000):.3f}\n'
        f'  most_recent_transform: {seconds(newest)}\n'
        f'  oldest_transform: {seconds(oldest)}\n'
        f'  buffer_length: {(newest - oldest) * 1e-9:.3f}\n'
    )
