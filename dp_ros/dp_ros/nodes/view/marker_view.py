# SPDX-License-Identifier: Apache-2.0
"""Markers of RViz in the scene: solids and lines of any node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dp_ros.arrays import Array
import numpy as np
from visualization_msgs.msg import Marker, MarkerArray

_SOLIDS: Final = {Marker.CUBE: 'box', Marker.CYLINDER: 'cylinder', Marker.SPHERE: 'sphere'}


class MarkerView:
    """Draws the markers of one topic; unknown kinds and those with NaN are left out."""

    def __init__(self, scene: Any, folder: str) -> None:
        self._scene, self._folder = scene, folder
        self._nodes: dict[str, tuple[object, Any]] = {}
        self.left_out = 0

    def show(self, message: MarkerArray) -> None:
        """Draw what is new or has changed, and remove what is deleted."""
        for marker in message.markers:
            name = f'{self._folder}/{marker.ns or "marker"}/{marker.id}'
            if marker.action == Marker.DELETEALL:
                self.clear()
            elif marker.action == Marker.DELETE:
                self._remove(name)
            else:
                self._draw(name, marker)

    def clear(self) -> None:
        """Remove everything."""
        for name in list(self._nodes):
            self._remove(name)

    def _remove(self, name: str) -> None:
        if name in self._nodes:
            self._nodes.pop(name)[1].remove()

    def _draw(self, name: str, marker: Marker) -> None:
        position, wxyz = _pose(marker)
        shape = _shape(marker)
        if shape is None or not np.isfinite([*position, *wxyz]).all():
            self.left_out += 1
            self._remove(name)
            return
        if name in self._nodes and self._nodes[name][0] == shape:
            node = self._nodes[name][1]
        else:
            self._remove(name)
            node = self._make(name, marker)
            self._nodes[name] = shape, node
        node.position, node.wxyz = position, wxyz

    def _make(self, name: str, marker: Marker) -> Any:
        scale, colour = marker.scale, _colour(marker)
        look = {'color': colour, 'opacity': None if marker.color.a >= 1.0 else marker.color.a}
        kind = _SOLIDS.get(marker.type)
        if kind == 'box':
            return self._scene.add_box(name, dimensions=(scale.x, scale.y, scale.z), **look)
        if kind == 'cylinder':
            return self._scene.add_cylinder(name, radius=scale.x / 2, height=scale.z, **look)
        if kind == 'sphere':
            return self._scene.add_icosphere(name, radius=scale.x / 2, subdivisions=3, **look)
        points = points_of(marker)
        if marker.type == Marker.SPHERE_LIST:
            return self._scene.add_point_cloud(
                name, points, colors=colour, point_size=scale.x / 2, point_shape='circle'
            )
        segments = segments_of(points) if marker.type == Marker.LINE_STRIP else points
        return self._scene.add_line_segments(
            name,
            np.reshape(segments[: len(segments) // 2 * 2], (-1, 2, 3))
            if marker.type == Marker.LINE_LIST
            else segments,
            colors=colour,
            thickness=scale.x,
        )


def points_of(marker: Marker) -> Array:
    """Return the points (n, 3) of a marker [m]."""
    return np.array([(p.x, p.y, p.z) for p in marker.points], dtype=np.float64).reshape(-1, 3)


def segments_of(points: Array) -> Array:
    """Return the lines (n - 1, 2, 3) between points (n, 3)."""
    return np.stack([points[:-1], points[1:]], axis=1)


def _shape(marker: Marker) -> object | None:
    """Return what a node has to be made anew for, or None for a marker that is not drawn."""
    scale, c = marker.scale, marker.color
    values = (scale.x, scale.y, scale.z, c.r, c.g, c.b, c.a)
    if not np.isfinite(values).all():
        return None
    if marker.type in _SOLIDS:
        return (marker.type, *values) if min(scale.x, scale.y, scale.z) > 0 else None
    if marker.type not in (Marker.LINE_STRIP, Marker.LINE_LIST, Marker.SPHERE_LIST):
        return None
    points = points_of(marker)
    enough = len(points) >= (1 if marker.type == Marker.SPHERE_LIST else 2)
    return (
        (marker.type, *values, points.tobytes()) if enough and np.isfinite(points).all() else None
    )


def _colour(marker: Marker) -> tuple[int, int, int]:
    c = marker.color
    r, g, b = (round(255 * min(1.0, max(0.0, value))) for value in (c.r, c.g, c.b))
    return r, g, b


def _pose(marker: Marker) -> tuple[Sequence[float], Sequence[float]]:
    p, q = marker.pose.position, marker.pose.orientation
    wxyz = (q.w, q.x, q.y, q.z)
    return (p.x, p.y, p.z), wxyz if any(wxyz) else (1.0, 0.0, 0.0, 0.0)
