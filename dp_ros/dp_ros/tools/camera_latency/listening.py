# SPDX-License-Identifier: Apache-2.0
"""Take the images and joint states of a task from the topics, for a while."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
import sys
import time
from typing import Any

from dp_ros.data.images import ImageError, decode
from dp_ros.data.windows.window import Refusal, WindowBuilder
from dp_ros.ros.conversions import time_to_ns
from dp_ros.task.task import Task
from dp_ros.values import ConfigError
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image, JointState

_SEARCH = 0.2


def listen(task: Task, builder: WindowBuilder, seconds: float) -> WindowBuilder:
    """Fill the builder for a time [s], or until Ctrl-C.

    :raises ConfigError: when a camera or the joint states do not come.
    """
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    node, executor = ListeningNode(task, builder), SingleThreadedExecutor()
    executor.add_node(node)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
    except KeyboardInterrupt:
        pass
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    streams = {task.topics.joint_states: builder.joints}
    streams |= {task.camera_topics[name]: images for name, images in builder.images.items()}
    missing = [topic for topic, stream in streams.items() if len(stream.stamps) < 2]
    if missing:
        raise ConfigError(f'nothing usable on {", ".join(missing)}: do its drivers run?')
    return builder


class ListeningNode(Node):
    """Pushes what comes into a builder; of each camera raw images, or else compressed ones."""

    def __init__(self, task: Task, builder: WindowBuilder, **kwargs: Any) -> None:
        super().__init__('camera_latency', enable_rosout=False, **kwargs)
        self._builder = builder
        self._awaited = dict(task.camera_topics)
        self.create_subscription(
            JointState, task.topics.joint_states, self._on_joints, qos_profile_sensor_data
        )
        self.create_timer(_SEARCH, self._search)

    def _search(self) -> None:
        """Subscribe to the topics of cameras that have appeared."""
        for name, topic in list(self._awaited.items()):
            for kind, full in ((Image, topic), (CompressedImage, f'{topic}/compressed')):
                if self.count_publishers(full):
                    take = partial(self._on_image, name)
                    self.create_subscription(kind, full, take, qos_profile_sensor_data)
                    del self._awaited[name]
                    break

    def _on_joints(self, message: JointState) -> None:
        with suppress(Refusal):
            stamp_ns = time_to_ns(message.header.stamp)
            self._builder.push_joints(stamp_ns, message.name, message.position)

    def _on_image(self, camera: str, message: Image | CompressedImage) -> None:
        with suppress(Refusal, ImageError):
            image = self._builder.spec.fit(camera, decode(message))
            self._builder.push_image(camera, time_to_ns(message.header.stamp), image)
