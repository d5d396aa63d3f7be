# SPDX-License-Identifier: Apache-2.0
"""Comparison of run times on a machine that does other work too."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
import time
from typing import TypeVar

import numpy as np

Key = TypeVar('Key', bound=Hashable)


@dataclass(frozen=True)
class Spread:
    """Times of one run: median, and 95th percentile [ms]."""

    median: float
    p95: float


def spreads(
    runs: Mapping[Key, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Key, Spread]:
    """Return the times of each run; they take turns, after a warm-up round.

    :param clock: function that returns the time [s].
    """
    seconds = np.empty((rounds + 1, len(runs)))
    for turn in seconds:
        for index, run in enumerate(runs.values()):
            start = clock()
            run()
            turn[index] = clock() - start
    found = 1e3 * np.percentile(seconds[1:], (50, 95), axis=0).T
    return dict(zip(runs, (Spread(*each) for each in found.tolist()), strict=True))


def medians(runs: Mapping[Key, Callable[[], object]], rounds: int) -> dict[Key, float]:
    """Return the median time [ms] of each run; they take turns, after a warm-up round."""
    return {key: found.median for key, found in spreads(runs, rounds).items()}
