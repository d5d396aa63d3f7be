# SPDX-License-Identifier: Apache-2.0
"""Markers of what the policy intends: paths of the TCP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from builtin_interfaces.msg import Time
from dp_ros.arrays import Array
from geometry_msgs.msg import Point
import numpy as np
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

Rgba = tuple[float, float, float, float]

EXECUTED: Final[Rgba] = (0.55, 0.55, 0.60, 0.9)
COMMITTED: Final[Rgba] = (0.10, 0.75, 0.25, 1.0)
REST: Final[Rgba] = (0.15, 0.45, 0.95, 1.0)
PREVIOUS: Final[Rgba] = (0.60, 0.75, 0.95, 0.7)
FAN: Final[Rgba] = (1.00, 0.65, 0.10, 0.45)
NOISE: Final[Rgba] = (0.80, 0.20, 0.70, 0.6)
_MOST_STEPS: Final = 12


@dataclass(frozen=True)
class Intention:
    """TCP paths in the base frame [m].

    :param executed: (k, 3) past path; ``chunk``: (n_points, 3) path of the chunk.
    :param n_committed: number of the chunk's points to follow before the next chunk is due.
    :param fan: (n_samples, n_points, 3) paths of other chunks for the same observation.
    :param denoising: (n_steps + 1, n_points, 3) path of the chunk at each step, from noise on.
    """

    executed: Array
    chunk: Array
    n_committed: int
    fan: Array
    denoising: Array


class MarkerWriter:
    """Writes an intention as markers, beside the chunk before it.

    It deletes markers of the last message that it does not replace.
    """

    def __init__(self, frame_id: str) -> None:
        self._frame_id = frame_id
        self._shown: set[tuple[str, int]] = set()
        self._previous: Array = np.zeros((0, 3))

    def write(self, intention: Intention, stamp: Time) -> MarkerArray:
        """Return the markers of an intention."""
        header = Header(stamp=stamp, frame_id=self._frame_id)
        paths = [('previous', 0, self._previous, PREVIOUS, 0.003), *_paths(intention)]
        self._previous = intention.chunk
        markers = [_line(header, *item) for item in paths if len(item[2]) > 1]
        markers.append(_points(header, 'points', intention.chunk))
        shown = {(marker.ns, marker.id) for marker in markers}
        gone = [_delete(header, *key) for key in sorted(self._shown - shown)]
        self._shown = shown
        return MarkerArray(markers=gone + markers)

    def clear(self) -> MarkerArray:
        """Return the marker that deletes all others."""
        self._shown, self._previous = set(), np.zeros((0, 3))
        return MarkerArray(markers=[Marker(action=Marker.DELETEALL)])


Path = tuple[str, int, Array, Rgba, float]
"""Namespace, number, points (n, 3) [m], colour, line width [m]."""


def _paths(intention: Intention) -> Iterator[Path]:
    chunk, n = intention.chunk, intention.n_committed
    yield 'executed', 0, intention.executed, EXECUTED, 0.004
    yield 'committed', 0, chunk[: n + 1], COMMITTED, 0.007
    yield 'rest', 0, chunk[n:], REST, 0.005
    for index, path in enumerate(intention.fan):
        yield 'fan', index, path, FAN, 0.002
    for index, path, share in _thinned(intention.denoising):
        yield 'denoising', index, path, _blend(NOISE, COMMITTED, share), 0.002


def _thinned(steps: Array) -> Iterator[tuple[int, Array, float]]:
    """Yield (number, path, progress from noise to path) of at most `_MOST_STEPS` steps."""
    if len(steps):
        chosen = np.unique(np.linspace(0, len(steps) - 1, _MOST_STEPS).round().astype(int))
        for index, step in enumerate(chosen):
            yield index, steps[step], float(step) / (len(steps) - 1 or 1)


def _line(
    header: Header, namespace: str, number: int, points: Array, color: Rgba, width: float
) -> Marker:
    marker = _marker(header, namespace, number, Marker.LINE_STRIP, points)
    marker.scale.x = width
    marker.color = _color(color)
    return marker


def _points(header: Header, namespace: str, points: Array) -> Marker:
    marker = _marker(header, namespace, 0, Marker.SPHERE_LIST, points)
    marker.scale.x = marker.scale.y = marker.scale.z = 0.009
    marker.color = _color(COMMITTED)
    return marker


def _marker(header: Header, namespace: str, number: int, kind: int, points: Array) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in points.tolist()]
    return marker


def _delete(header: Header, namespace: str, number: int) -> Marker:
    return Marker(header=header, ns=namespace, id=number, action=Marker.DELETE)


def _color(rgba: Sequence[float]) -> ColorRGBA:
    r, g, b, a = rgba
    return ColorRGBA(r=r, g=g, b=b, a=a)


def _blend(first: Rgba, second: Rgba, share: float) -> Rgba:
    r, g, b, a = ((1 - share) * x + share * y for x, y in zip(first, second, strict=True))
    return r, g, b, a
