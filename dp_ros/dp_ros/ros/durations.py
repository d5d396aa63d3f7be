# SPDX-License-Identifier: Apache-2.0
"""Percentiles of the last durations of named stages, for diagnostics."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

_KEPT = 200


class Durations:
    """The last ``kept`` durations of each stage [s]."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._stages: dict[str, deque[float]] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Take a duration of each of these stages."""
        for stage, duration in seconds.items():
            self._stages.setdefault(stage, deque(maxlen=self._kept)).append(duration)

    def report(self) -> dict[str, str]:
        """Return the median, the 95th percentile and the maximum of each stage in words [ms]."""
        return {f'{stage} [ms]': _text(list(kept)) for stage, kept in self._stages.items()}


def _text(seconds: list[float]) -> str:
    p50, p95, most = 1e3 * np.percentile(seconds, [50, 95, 100])
    return f'p50 {p50:.1f}, p95 {p95:.1f}, max {most:.1f}'
