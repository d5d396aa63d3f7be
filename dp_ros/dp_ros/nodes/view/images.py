# SPDX-License-Identifier: Apache-2.0
"""Images of all cameras, at a low rate, and only while a page is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
from dp_ros.arrays import Rgb
from dp_ros.data.images import ImageError, decode
from dp_ros.ros.polled_topic import PolledTopic
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

_MOST: Final = 4
_WIDTH: Final = 288  # [px]


class Images:
    """Reads the newest image of each camera of this namespace.

    :param show: function that gets the name of a camera and its image.
    :param note: function that gets why an image cannot be shown.
    """

    def __init__(
        self, node: Node, show: Callable[[str, Rgb], None], note: Callable[[str], None]
    ) -> None:
        self._node, self._show, self._note = node, show, note
        self._topics: dict[str, PolledTopic] = {}

    def look(self) -> None:
        """Listen to cameras that have come; the compressed images only of those without others."""
        topics = self._node.get_topic_names_and_types()
        raw = {name for name, kinds in topics if 'sensor_msgs/msg/Image' in kinds}
        packed = {name for name, kinds in topics if 'sensor_msgs/msg/CompressedImage' in kinds}
        packed = {name for name in packed if name.rpartition('/')[0] not in raw}
        namespace = self._node.get_namespace().rstrip('/') + '/'
        for name in sorted(raw | packed):
            publishers = self._node.count_publishers(name)
            if not name.startswith(namespace) or not publishers or name in self._topics:
                continue
            if len(self._topics) < _MOST:
                kind = Image if name in raw else CompressedImage
                self._topics[name] = PolledTopic(self._node, kind, name)

    def read(self) -> None:
        """Show what has come."""
        for name, topic in self._topics.items():
            message = topic.newest()
            if message is None:
                continue
            try:
                self._show(short(name), fitted(decode(message)))
            except ImageError as error:
                self._note(f'{name}: {error}')

    def close(self) -> None:
        """Listen to none."""
        for topic in self._topics.values():
            topic.close()
        self._topics.clear()


def short(topic: str) -> str:
    """Return the name of a camera: what tells its topic from others."""
    parts = [part for part in topic.split('/') if part]
    plain = [part for part in parts if part not in ('image_raw', 'image', 'compressed', 'camera')]
    return plain[-1] if plain else topic


def fitted(image: Rgb) -> Rgb:
    """Return an image as wide as the panel."""
    height, width = image.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    how = cv2.INTER_AREA if width > _WIDTH else cv2.INTER_NEAREST
    return cv2.resize(image, size, interpolation=how)  # type: ignore[return-value]
