# SPDX-License-Identifier: Apache-2.0
"""A film of recorded rollouts: policies beside each other in the same scenes, at half speed.

```
┌──────────────┬──────────────┐
│ policy A     │ policy B     │   each with the paths that RViz showed, and from above, without
│┌─────┐       │┌─────┐       │   the arm, which would hide them
││above│       ││above│       │
└┴─────┴───────┴┴─────┴───────┘
```
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import cv2
from dp_ros.arrays import Rgb
from dp_ros.robot.kinematics import forward
from dp_ros.robot.units import to_ns
from dp_ros.ros.conversions import time_to_ns
from dp_ros.sim.render import LineStrip, Shape, Spheres, VideoScene, Viewpoint
from dp_ros.sim.scenarios.obstacle.scenario import ObstacleScenario
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
from dp_ros.tools.common.episodes.rollout import Rollout
from dp_ros_msgs.msg import EpisodeStatus
import numpy as np
from visualization_msgs.msg import Marker, MarkerArray

FPS: Final = 15

_SLOWNESS: Final = 2
_HELD: Final = 1.5  # Time for which the last picture of a scene is held [s].
_HEIGHT, _WIDTH, _INSET = 480, 640, 208
_MARGIN: Final = 12
_SIDE: Final = Viewpoint((0.42, -0.03, 0.25), 1.45, 140.0, -30.0)
_ABOVE: Final = Viewpoint((0.575, 0.0, 0.0), 0.5, 0.0, -90.0)
_TRAIL: Final = (0.97, 0.97, 0.97, 1.0)
_TRAIL_WIDTH, _TCP_WIDTH = 0.006, 0.018
_OUTCOMES: Final = {
    EpisodeStatus.SUCCESS: 'goal reached',
    EpisodeStatus.COLLISION: 'COLLISION',
}


class Film:
    """Draws rollouts of a task around an obstacle."""

    def __init__(self, scenario: ObstacleScenario) -> None:
        self._scenario = scenario
        self._side = VideoScene(scenario, _HEIGHT, _WIDTH, _SIDE)
        self._above = VideoScene(scenario, _INSET, _INSET, _ABOVE, arm=False)

    def close(self) -> None:
        """Free the renderers."""
        self._side.close()
        self._above.close()

    def frames(self, rollouts: Mapping[str, Rollout]) -> Iterator[Rgb]:
        """Yield the pictures of one scene, a panel per title; the last is held for a while."""
        panels = [self._panel(title, rollout) for title, rollout in rollouts.items()]
        shown: tuple[Rgb | None, ...] = (None,) * len(panels)
        for frames in zip_longest(*panels):
            shown = tuple(
                old if new is None else new for new, old in zip(frames, shown, strict=True)
            )
            yield np.hstack([panel for panel in shown if panel is not None])
        for _ in range(round(_HELD * FPS)):
            yield np.hstack([panel for panel in shown if panel is not None])

    def _panel(self, title: str, rollout: Rollout) -> Iterator[Rgb]:
        log, statuses = rollout.log, rollout.statuses
        stride = round(1 / (FPS * _SLOWNESS * log.period))
        trail = forward(log.measured[::stride])
        marker_times = [time for time, _ in rollout.markers]
        status_times = [time_to_ns(status.header.stamp) for status in statuses]
        for number, index in enumerate(range(0, len(log.measured), stride)):
            now_ns = log.stamp_ns + to_ns(index * log.period)
            is_last = index + stride >= len(log.measured)
            status = statuses[-1] if is_last else _newest(status_times, statuses, now_ns)
            markers = _newest(marker_times, [m for _, m in rollout.markers], now_ns)
            shapes = marker_shapes(markers) if markers else []
            shapes.append(LineStrip(trail[: number + 1], _TRAIL, _TRAIL_WIDTH))
            shapes.append(Spheres(trail[number : number + 1], _TRAIL, _TCP_WIDTH))
            scene = self._scene(rollout.result.seed, status)
            frame = self._side.frame(scene, log.measured[index], shapes).copy()
            above = self._above.frame(scene, log.measured[index], shapes)
            frame[-_MARGIN - _INSET : -_MARGIN, _MARGIN : _MARGIN + _INSET] = above
            _write(frame, title, _outcome(rollout.result.seed, status))
            yield frame

    def _scene(self, seed: int, status: EpisodeStatus | None) -> ObstacleScene:
        """Return the scene with goal and obstacle where they were: people may have moved them."""
        scene = self._scenario.sample(seed)
        if status is None:
            return scene
        moved = scene.with_goal((status.goal.x, status.goal.y))
        return moved.with_obstacle((status.obstacle.x, status.obstacle.y))


def marker_shapes(markers: MarkerArray) -> list[Shape]:
    """Convert markers of lines and spheres to shapes; leave out other kinds."""
    shapes: list[Shape] = []
    for marker in markers.markers:
        if marker.action != Marker.ADD or not marker.points:
            continue
        points = np.array([(p.x, p.y, p.z) for p in marker.points])
        c = marker.color
        colour = (c.r, c.g, c.b, c.a)
        if marker.type == Marker.LINE_STRIP:
            shapes.append(LineStrip(points, colour, marker.scale.x))
        elif marker.type == Marker.SPHERE_LIST:
            shapes.append(Spheres(points, colour, marker.scale.x))
    return shapes


def _newest(times: Sequence[int], items: Sequence[Any], now_ns: int) -> Any:
    """Return the last item that is not later than ``now_ns``, or None."""
    index = bisect_right(times, now_ns)
    return items[index - 1] if index else None


def _outcome(seed: int, status: EpisodeStatus | None) -> str:
    outcome = _OUTCOMES.get(status.state, '') if status else ''
    return f'scene {seed}, half speed   {outcome}'


def _write(frame: Rgb, *lines: str) -> None:
    for row, text in enumerate(lines):
        where = (_MARGIN, 28 + 26 * row)
        for colour, width in (((255, 255, 255), 4), ((20, 20, 20), 1)):
            cv2.putText(
                frame, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, width, cv2.LINE_AA
            )
