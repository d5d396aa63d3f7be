# SPDX-License-Identifier: Apache-2.0
"""Filters that bring the messages of several topics together.

A stand-in for the Python module of ros2/message_filters (jazzy): the same names, signatures and
matches, written anew. What it lacks raises an ImportError that names the real package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import itertools
import threading
from typing import Any

from rclpy.clock import ROSClock
from rclpy.duration import Duration
import rclpy.logging
from rclpy.node import Node
from rclpy.time import Time

__all__ = [
    'ApproximateTimeSynchronizer',
    'Cache',
    'SimpleFilter',
    'Subscriber',
    'TimeSynchronizer',
]

_UPSTREAM_ONLY = ('Chain', 'DeltaFilter', 'InputAligner', 'TimeSequencer')


def __getattr__(name: str) -> Any:
    if name in _UPSTREAM_ONLY:
        raise ImportError(
            f'message_filters.{name} is not in this stand-in; it is in the real package, '
            'ros-jazzy-message-filters (https://github.com/ros2/message_filters)'
        )
    raise AttributeError(f"module 'message_filters' has no attribute '{name}'")


class SimpleFilter:
    """A source of messages that others can listen to."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., None], tuple]] = {}

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> int:  # noqa: N802
        """Call ``cb`` with each output of this filter, followed by ``args``."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Hand an output to all listeners, in the order they registered."""
        for callback, args in self.callbacks.values():
            callback(*msg, *args)


class Subscriber(SimpleFilter):
    """A subscription as a filter; takes the arguments of ``Node.create_subscription``.

    The node comes first, there is no callback, and ``qos_profile`` may be left out (depth 10).
    Everything else asked of it is answered by the subscription.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.node: Node = args[0]
        self.topic: str = args[2]
        kwargs.setdefault('qos_profile', 10)
        self.sub = self.node.create_subscription(*args[1:], self.callback, **kwargs)

    def callback(self, msg: Any) -> None:
        """Pass a message on."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802
        """Return the topic as it was given."""
        return self.topic

    def __getattr__(self, key: str) -> Any:
        if key == 'sub':
            raise AttributeError(key)
        return getattr(self.sub, key)


class Cache(SimpleFilter):
    """The last ``cache_size`` messages of a filter, to be asked for by time."""

    def __init__(
        self, f: SimpleFilter, cache_size: int = 1, allow_headerless: bool = False
    ) -> None:
        super().__init__()
        self.connectInput(f)
        self.cache_size = cache_size
        self.cache_msgs: list[Any] = []
        self.cache_times: list[Time] = []
        self.allow_headerless = allow_headerless

    def connectInput(self, f: SimpleFilter) -> None:  # noqa: N802
        """Listen to ``f``."""
        self.incoming_connection = f.registerCallback(self.add)

    def add(self, msg: Any) -> None:
        """Store a message, in the order of arrival, and pass it on."""
        stamp = _stamp(msg, self.allow_headerless, 'message_filters_cache')
        if stamp is None:
            return
        self.cache_times.append(stamp)
        self.cache_msgs.append(msg)
        if len(self.cache_msgs) > self.cache_size:
            del self.cache_msgs[0], self.cache_times[0]
        self.signalMessage(msg)

    def getInterval(self, from_stamp: Time, to_stamp: Time) -> list[Any]:  # noqa: N802
        """Return the messages stamped in the closed interval."""
        assert from_stamp <= to_stamp
        return [m for m, t in self._entries() if from_stamp <= t <= to_stamp]

    def getElemAfterTime(self, stamp: Time) -> Any:  # noqa: N802
        """Return the oldest message at or after ``stamp``, or None."""
        return next((m for m, t in self._entries() if t >= stamp), None)

    def getElemBeforeTime(self, stamp: Time) -> Any:  # noqa: N802
        """Return the newest message at or before ``stamp``, or None."""
        return next((m for m, t in reversed(self._entries()) if t <= stamp), None)

    def getLastestTime(self) -> Time | None:  # noqa: N802
        """Return the stamp of the newest message (upstream's spelling), or None."""
        return self.cache_times[-1] if self.cache_times else None

    def getOldestTime(self) -> Time | None:  # noqa: N802
        """Return the stamp of the oldest message, or None."""
        return self.cache_times[0] if self.cache_times else None

    def getLast(self) -> Any:  # noqa: N802
        """Return the oldest message that is no older than the newest stamp, or None."""
        latest = self.getLastestTime()
        return None if latest is None else self.getElemAfterTime(latest)

    def _entries(self) -> list[tuple[Any, Time]]:
        return list(zip(self.cache_msgs, self.cache_times, strict=True))


class TimeSynchronizer(SimpleFilter):
    """Puts together messages with equal stamps, one of each input.

    Each input keeps its ``queue_size`` newest stamps. A complete set is passed on as one call with
    a message per input; older messages stay.
    """

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.connectInput(fs)
        self.queue_size = queue_size
        self.lock = threading.Lock()

    def connectInput(self, fs: Sequence[SimpleFilter]) -> None:  # noqa: N802
        """Listen to ``fs``, each with a queue of its own."""
        self.queues: list[dict[int, Any]] = [{} for _ in fs]
        self.input_connections = [
            f.registerCallback(self.add, queue, index)
            for index, (f, queue) in enumerate(zip(fs, self.queues, strict=True))
        ]

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Store a message and pass on the set it completes."""
        stamp = Time.from_msg(msg.header.stamp).nanoseconds
        with self.lock:
            self._store(msg, stamp, my_queue)
            if not all(stamp in queue for queue in self.queues):
                return
            self.signalMessage(*(queue[stamp] for queue in self.queues))
            for queue in self.queues:
                del queue[stamp]

    def _store(self, msg: Any, stamp: int, queue: dict[int, Any]) -> None:
        queue[stamp] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Puts together messages whose stamps are less than ``slop`` seconds apart.

    A new message is matched with the nearest of each other input; the set is taken out of the
    queues, older messages stay. ``allow_headerless`` stamps what has no header with its arrival.
    """

    def __init__(
        self,
        fs: Sequence[SimpleFilter],
        queue_size: int,
        slop: float,
        allow_headerless: bool = False,
    ) -> None:
        super().__init__(fs, queue_size)
        self.slop = Duration(seconds=slop)
        self.allow_headerless = allow_headerless

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Store a message and pass on the first set it completes."""
        time = _stamp(msg, self.allow_headerless, 'message_filters_approx')
        if time is None:
            return
        stamp = time.nanoseconds
        with self.lock:
            self._store(msg, stamp, my_queue)
            choices = [
                [stamp] if index == my_queue_index else self._near(stamp, queue)
                for index, queue in enumerate(self.queues)
            ]
            match = next(filter(self._matches, itertools.product(*choices)), None)
            if match is None:
                return
            entries = list(zip(self.queues, match, strict=True))
            self.signalMessage(*(queue[s] for queue, s in entries))
            for queue, s in entries:
                del queue[s]

    def _near(self, stamp: int, queue: dict[int, Any]) -> list[int]:
        """Return the queue's stamps within the slop, the nearest first."""
        near = [s for s in queue if abs(s - stamp) <= self.slop.nanoseconds]
        return sorted(near, key=lambda s: abs(s - stamp))

    def _matches(self, stamps: tuple[int, ...]) -> bool:
        # The new message's stamp may be gone already, dropped as the oldest of a full queue.
        stored = all(s in queue for queue, s in zip(self.queues, stamps, strict=True))
        return stored and max(stamps) - min(stamps) < self.slop.nanoseconds


def _stamp(msg: Any, allow_headerless: bool, logger_name: str) -> Time | None:
    """Return a message's stamp, its arrival if it has none and that is allowed, else None."""
    stamp = getattr(getattr(msg, 'header', None), 'stamp', None)
    if stamp is not None:
        return stamp if hasattr(stamp, 'nanoseconds') else Time.from_msg(stamp)
    if allow_headerless:
        return ROSClock().now()
    rclpy.logging.get_logger(logger_name).warning(
        'can not use message filters for messages without timestamp infomation when '
        "'allow_headerless' is disabled. auto assign ROSTIME to headerless messages once "
        "enabling constructor option of 'allow_headerless'."
    )
    return None
