# SPDX-License-Identifier: Apache-2.0
"""How soon the next chunk is made, from how long the last ones took.

```
            │── period ──│
observation A            B
             inference    inference
                      └ A joins      └ B joins: before what is followed of A ends
                      │─│ a part of A is followed
```

A chunk is due as soon as the machine can make one beside its other work, and so that it is ready
before the arm has done what is followed of the one before. But a policy that decides anew before
its last decision is to be seen dithers. So a part of each chunk is followed before the next
observation, however late the chunk came (docs/latency.md has the figures).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from dp_ros.robot.units import NS, to_ns
from dp_ros.task.task import Task
import numpy as np

_IDLE_NS: Final = NS // 2
_SHARE: Final = 0.5  # of the time in which the worker may compute
_COMMITTED: Final = 0.375  # of what is followed of a chunk, before the next observation
_KEPT: Final = 20


class Pace:
    """Shortest time between the observations of two chunks, for the machine as it is now."""

    def __init__(self) -> None:
        self._inferences: deque[int] = deque(maxlen=_KEPT)
        self._latencies: deque[int] = deque(maxlen=_KEPT)

    def add(self, inference_ns: int, latency_ns: int) -> None:
        """Take how long a chunk's inference took, and how old its observation was at the end."""
        self._inferences.append(inference_ns)
        self._latencies.append(latency_ns)

    def period_ns(self, rate: float, task: Task | None) -> int:
        """Return the time from the observation of one chunk to that of the next [ns].

        :param rate: highest rate of chunks [Hz]; 0: as the machine and the task allow.
        """
        if rate > 0:
            return to_ns(1 / rate)
        if task is None:
            return _IDLE_NS
        dt_ns = to_ns(task.dt)
        followed_ns = task.n_action_steps * dt_ns
        committed_ns = int(_COMMITTED * followed_ns)
        if not self._inferences:
            return max(committed_ns, dt_ns)
        affordable_ns = int(np.median(self._inferences) / _SHARE)
        decided_ns = committed_ns + int(np.median(self._latencies))
        without_gap_ns = followed_ns - (max(self._latencies) - min(self._latencies))
        wanted_ns = min(max(affordable_ns, decided_ns), without_gap_ns)
        return max(wanted_ns, committed_ns, dt_ns)
