# SPDX-License-Identifier: Apache-2.0
"""Drawing of a recorded rollout, with the markers that RViz showed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
from dp_ros.arrays import Rgb
from dp_ros.robot.units import to_ns
from dp_ros.ros.conversions import time_to_ns
from dp_ros.sim.render import LineStrip, Shape, Spheres, VideoScene
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
from dp_ros.sim.scenarios.reach.scene import sample_scene
from dp_ros.tools.common.episodes.rollout import Rollout
from dp_ros_msgs.msg import EpisodeStatus
import numpy as np
from visualization_msgs.msg import Marker, MarkerArray

_OUTCOMES = {
    EpisodeStatus.RUNNING: '',
    EpisodeStatus.SUCCESS: 'goal reached',
    EpisodeStatus.COLLISION: 'collision',
}


def replay(video: VideoScene, rollout: Rollout, title: str, fps: int) -> Iterator[Rgb]:
    """Yield the frames of a rollout in real time; the last one is held for a second.

    :param title: text in the picture, beside the seed and the outcome.
    """
    log = rollout.log
    stride = round(1 / (fps * log.period))
    marker_times = [time for time, _ in rollout.markers]
    status_times = [time_to_ns(status.header.stamp) for status in rollout.statuses]
    frame = None
    for index in range(0, len(log.measured), stride):
        now_ns = log.stamp_ns + to_ns(index * log.period)
        status = _newest(status_times, rollout.statuses, now_ns)
        markers = _newest(marker_times, [m for _, m in rollout.markers], now_ns)
        shapes = marker_shapes(markers) if markers else []
        scene = _scene(rollout.result.seed, status)
        frame = video.frame(scene, log.measured[index], shapes)
        yield _caption(frame, title, rollout.result.seed, status)
    if frame is not None:
        for _ in range(fps):
            yield _caption(frame, title, rollout.result.seed, rollout.statuses[-1])


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


def _scene(seed: int, status: EpisodeStatus | None) -> ObstacleScene:
    scene = sample_scene(seed)
    return scene if status is None else scene.with_goal((status.goal.x, status.goal.y))


def _caption(frame: Rgb, title: str, seed: int, status: EpisodeStatus | None) -> Rgb:
    picture = frame.copy()
    outcome = _OUTCOMES.get(status.state, '') if status else ''
    for row, text in enumerate((title, f'scene {seed}   {outcome}')):
        where = (12, 26 + 24 * row)
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(
                picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, width, cv2.LINE_AA
            )
    return picture
