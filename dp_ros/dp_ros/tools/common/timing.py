# SPDX-License-Identifier: Apache-2.0
"""Comparison of run times on a machine that does other work too."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
import time
from typing import TypeVar

import numpy as np

Key = TypeVar('Key', bound=Hashable)


def medians(runs: Mapping[Key, Callable[[], object]], rounds: int) -> dict[Key, float]:
    """Return the median time [ms] of each run; they take turns, after a warm-up round."""
    seconds = np.empty((rounds + 1, len(runs)))
    for turn in seconds:
        for index, run in enumerate(runs.values()):
            start = time.perf_counter()
            run()
            turn[index] = time.perf_counter() - start
    return dict(zip(runs, (1e3 * np.median(seconds[1:], axis=0)).tolist(), strict=True))
