# SPDX-License-Identifier: Apache-2.0
"""Watch the rates of streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dp_ros.robot.units import NS

WINDOW_NS: Final = 2 * NS


class RateWatch:
    """Counts messages per stream over windows of two seconds.

    :param least: lowest allowed rate of each stream [Hz]; 0: any.
    """

    def __init__(self, least: Mapping[str, float]) -> None:
        self._least = least
        self.restart(0)

    def restart(self, now_ns: int) -> None:
        """Begin a window."""
        self._since_ns = now_ns
        self._counts = dict.fromkeys(self._least, 0)

    def count(self, stream: str) -> None:
        """Count a message."""
        if stream in self._counts:
            self._counts[stream] += 1

    def slow(self, now_ns: int) -> list[str] | None:
        """Return texts about streams that were too slow, at a window's end; else None."""
        elapsed_ns = now_ns - self._since_ns
        if elapsed_ns < WINDOW_NS:
            return None
        rates = {stream: count * NS / elapsed_ns for stream, count in self._counts.items()}
        self.restart(now_ns)
        return [
            f'{stream} comes at {rate:.1f} Hz, less than {self._least[stream]:g}'
            for stream, rate in rates.items()
            if rate < self._least[stream]
        ]
