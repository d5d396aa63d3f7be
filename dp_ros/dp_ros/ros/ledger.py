# SPDX-License-Identifier: Apache-2.0
"""Times of each chunk on its way from the exposure to the arm, and how long each stage took.

```
exposure → last message → window → policy has it → inference → published      aggregator, policy
         → executor has it → planned → sent → joins                           executor
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import math
from typing import Any, Final

from dp_ros.robot.units import MS, NS
import numpy as np

EXPOSURE: Final = 'exposure'
_PUBLISHED: Final = 'chunk published'
JOIN: Final = 'it moves the arm'

OBSERVATION: Final = {'received': 'last message came', 'completed': 'window complete'}
POLICY: Final = {
    'received': 'policy has it',
    'inference_begun': 'inference begins',
    'inference_ended': 'inference ends',
    'published': _PUBLISHED,
}
EXECUTOR: Final = {
    'chunk_received': 'executor has it',
    'chunk_planned': 'motion planned',
    'chunk_sent': 'trajectory sent',
    'chunk_join': JOIN,
}
POINTS: Final = (EXPOSURE, *OBSERVATION.values(), *POLICY.values(), *EXECUTOR.values())
"""Points in time of a chunk, in their order; the keys above are the fields of the messages."""

_TOLERANCE_NS: Final = 2 * MS
_LEAST_STEP_NS: Final = MS // 10
_KEPT: Final = 10_000

Times = dict[str, int]


@dataclass(frozen=True)
class Stage:
    """Durations between two points in time [s]; none where the clocks disagree.

    :param behind: how far the clock of ``end`` is behind that of ``begin`` at least [s]; 0: no
        contradiction.
    """

    begin: str
    end: str
    seconds: tuple[float, ...]
    behind: float = 0.0

    def percentiles(self) -> tuple[float, float, float] | None:
        """Return median, 95th percentile and maximum [s], or None without any duration."""
        if not self.seconds:
            return None
        p50, p95, most = np.percentile(self.seconds, [50, 95, 100]).tolist()
        return p50, p95, most


class Ledger:
    """The newest chunks by the stamp of their observation, joined from three messages."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._chunks: dict[int, Times] = {}

    def add_observation(self, message: Any) -> None:
        """Take an Observation."""
        self._add(message.header.stamp, message, OBSERVATION)

    def add_policy(self, message: Any) -> None:
        """Take a PolicyStatus."""
        self._add(message.header.stamp, message, POLICY)

    def add_executor(self, message: Any) -> None:
        """Take an ExecutorStatus; it repeats the times of the last chunk that was followed."""
        self._add(message.chunk_stamp, message, EXECUTOR)

    def chunks(self) -> list[Times]:
        """Return the times of each chunk of the policy [ns], in their order."""
        made = [times for _, times in sorted(self._chunks.items()) if _PUBLISHED in times]
        return [{point: times[point] for point in POINTS if point in times} for times in made]

    def _add(self, stamp: Any, message: Any, fields: Mapping[str, str]) -> None:
        stamp_ns = _ns(stamp)
        if stamp_ns == 0:
            return
        times = self._chunks.setdefault(stamp_ns, {EXPOSURE: stamp_ns})
        for field, point in fields.items():
            time_ns = _ns(getattr(message, field))
            if time_ns:
                times[point] = time_ns
        while len(self._chunks) > self._kept:
            del self._chunks[next(iter(self._chunks))]


def followed(chunks: Iterable[Times]) -> int:
    """Return how many of the chunks moved the arm."""
    return sum(JOIN in times for times in chunks)


def clock_step_ns(chunks: Iterable[Times]) -> int:
    """Return the step in which the nodes' clock goes if it is a simulated one, else 0 [ns]."""
    read = [[t for p, t in times.items() if p not in (EXPOSURE, JOIN)] for times in chunks]
    step_ns = math.gcd(*(time - times[0] for times in read for time in times[1:]))
    return step_ns if step_ns >= _LEAST_STEP_NS else 0


def stages(chunks: list[Times]) -> list[Stage]:
    """Return each stage between two points that are known, and last the whole way.

    A duration may seem negative by a few steps of a simulated clock, which nodes read late; it
    counts as 0 then.
    """
    tolerance_ns = _TOLERANCE_NS + 3 * clock_step_ns(chunks)
    points = [point for point in POINTS if any(point in times for times in chunks)]
    found = [
        _stage(chunks, begin, end, tolerance_ns)
        for begin, end in zip(points, points[1:], strict=False)
    ]
    if found:
        whole = _stage(chunks, EXPOSURE, points[-1], tolerance_ns)
        trusted = not any(stage.behind for stage in found)
        found.append(whole if trusted else Stage(EXPOSURE, points[-1], ()))
    return found


def _stage(chunks: list[Times], begin: str, end: str, tolerance_ns: int) -> Stage:
    durations = [times[end] - times[begin] for times in chunks if begin in times and end in times]
    least = min(durations, default=0)
    if least < -tolerance_ns:
        return Stage(begin, end, (), -least / NS)
    return Stage(begin, end, tuple(max(duration, 0) / NS for duration in durations))


def _ns(stamp: Any) -> int:
    return int(stamp.sec) * NS + int(stamp.nanosec)
