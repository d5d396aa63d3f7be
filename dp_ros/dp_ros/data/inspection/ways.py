# SPDX-License-Identifier: Apache-2.0
"""Whether demonstrations go two ways, such as left and right of an obstacle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dp_ros.arrays import Array
from dp_ros.data.inspection.figures import EpisodeFigures, JointSeries
import numpy as np

_POINTS: Final = 16
_LEAST: Final = 6
_APART: Final = 0.9  # Share of the variance that two groups explain; a uniform spread: 0.75.


def rarer_way(episodes: Sequence[EpisodeFigures]) -> list[EpisodeFigures]:
    """Return the episodes that go the rarer of two ways; empty where there is one way.

    Compared is where a path bends from the straight line between its ends, by its main component
    over all episodes: the TCP's path, of an arm that is no FR3 the joints'. Its values are cut in
    two where the groups differ most (Otsu 1979).
    """
    moving = [each for each in episodes if each.motion is not None and len(each.motion.times) > 1]
    if len(moving) < _LEAST:
        return []
    bends = np.array([_bend(each.motion) for each in moving if each.motion is not None])
    centred = bends - bends.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    values = centred @ axes[0]
    order = np.argsort(values)
    cut, explained = _cut(values[order])
    if explained < _APART:
        return []
    rarer = order[:cut] if 2 * cut <= len(order) else order[cut:]
    return [moving[index] for index in sorted(rarer.tolist())]


def _bend(motion: JointSeries) -> Array:
    """Return the distances (`_POINTS` · d,) of a path from the line between its ends."""
    path = motion.positions if motion.tcp is None else motion.tcp
    done = np.concatenate([[0.0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    share = np.linspace(0.0, 1.0, _POINTS)
    at = np.stack([np.interp(share * done[-1], done, column) for column in path.T], axis=1)
    line = path[0] + share[:, None] * (path[-1] - path[0])
    bend: Array = (at - line).ravel()
    return bend


def _cut(values: Array) -> tuple[int, float]:
    """Return where to cut sorted values (n,) in two, and the share of variance explained."""
    total = float(values.var()) * len(values)
    if total < 1e-9:
        return 0, 0.0
    between = [
        k * (len(values) - k) / len(values) * float(values[:k].mean() - values[k:].mean()) ** 2
        for k in range(1, len(values))
    ]
    best = int(np.argmax(between))
    return best + 1, between[best] / total
