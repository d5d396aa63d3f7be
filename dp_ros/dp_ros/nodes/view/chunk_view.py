# SPDX-License-Identifier: Apache-2.0
"""What the policy intends: paths of the TCP in the scene, drawn over each other by layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dp_ros.arrays import Array
from dp_ros.nodes.view.marker_view import points_of, segments_of
import numpy as np
from visualization_msgs.msg import Marker, MarkerArray

Colour = tuple[int, int, int]

EXECUTED: Final[Colour] = (120, 120, 130)
COMMITTED: Final[Colour] = (25, 150, 60)
REST: Final[Colour] = (30, 110, 235)
PREVIOUS: Final[Colour] = (150, 190, 240)
FAN: Final[Colour] = (245, 150, 20)
NOISE: Final[Colour] = (190, 40, 170)
LEGEND: Final = (
    (EXECUTED, 'executed'),
    (COMMITTED, 'committed'),
    (REST, 'rest of it'),
    (PREVIOUS, 'previous chunk'),
    (FAN, 'samples'),
    (NOISE, 'denoising'),
)
_WIDTHS: Final = {'executed': 3.0, 'committed': 7.0, 'rest': 5.0, 'previous': 3.0, 'fan': 2.0}
LAYERS: Final = ('executed', 'previous', 'fan', 'denoising')


class ChunkView:
    """Draws the newest paths of `policy/markers`.

    ``step`` is the denoising step that is drawn.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._nodes: dict[str, Any] = {}
        self._paths: Mapping[str, list[Array]] = {}
        self.visible = dict.fromkeys(LAYERS, True)
        self.step = 0

    def show(self, paths: Mapping[str, list[Array]]) -> None:
        """Draw the paths of a message, by their names; none: nothing is intended."""
        if not paths:
            self.clear()
            return
        self._paths = paths
        self.draw()

    def draw(self) -> None:
        """Draw again, after a change of what is visible."""
        wanted = {
            'executed': (self._paths.get('executed', []), EXECUTED),
            'previous': (self._paths.get('previous', []), PREVIOUS),
            'fan': (self._paths.get('fan', []), FAN),
            'committed': (self._paths.get('committed', []), COMMITTED),
            'rest': (self._paths.get('rest', []), REST),
        }
        for layer, (paths, colour) in wanted.items():
            lines = [segments_of(path) for path in paths if len(path) > 1]
            shown = self.visible.get(layer, True) and lines
            self._set(layer, np.concatenate(lines) if shown else None, colour, _WIDTHS[layer])
        self._draw_denoising()

    def clear(self) -> None:
        """Remove everything."""
        self._paths = {}
        for node in self._nodes.values():
            node.remove()
        self._nodes.clear()

    def _draw_denoising(self) -> None:
        steps = self._paths.get('denoising', [])
        path = steps[min(self.step, len(steps) - 1)] if steps else np.zeros((0, 3))
        shown = self.visible['denoising'] and len(path) > 1
        self._set('denoising', segments_of(path) if shown else None, NOISE, 4.0)
        if shown:
            self._nodes['points'] = self._scene.add_point_cloud(
                '/chunk/points', path, colors=NOISE, point_size=0.006, point_shape='circle'
            )
        else:
            self._drop('points')

    def _set(self, layer: str, segments: Array | None, colour: Colour, width: float) -> None:
        if segments is None:
            self._drop(layer)
            return
        self._nodes[layer] = self._scene.add_line_segments(
            f'/chunk/{layer}',
            segments.astype(np.float32),
            colors=colour,
            thickness=width,
            thickness_units='screen',
        )

    def _drop(self, layer: str) -> None:
        if layer in self._nodes:
            self._nodes.pop(layer).remove()


def paths_of(message: MarkerArray) -> dict[str, list[Array]]:
    """Return the lines (n, 3) of a message by namespace, in the order of their numbers."""
    lines = sorted(
        (m for m in message.markers if m.action == Marker.ADD and m.type == Marker.LINE_STRIP),
        key=lambda marker: marker.id,
    )
    paths: dict[str, list[Array]] = {}
    for marker in lines:
        points = points_of(marker)
        if np.isfinite(points).all():
            paths.setdefault(marker.ns, []).append(points)
    return paths
