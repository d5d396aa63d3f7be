# SPDX-License-Identifier: Apache-2.0
"""Publish transforms that stay."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from .transform_broadcaster import as_list


class StaticTransformBroadcaster:
    """Publishes on ``/tf_static`` all that was ever sent, so that a late listener gets it too.

    :param qos: profile or depth, depth 1 and transient local if not given.
    """

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        if qos is None:
            qos = QoSProfile(
                depth=1,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
                history=HistoryPolicy.KEEP_LAST,
            )
        self.pub_tf = node.create_publisher(TFMessage, '/tf_static', qos)
        self.net_message = TFMessage()

    def sendTransform(  # noqa: N802
        self, transform: TransformStamped | Iterable[TransformStamped]
    ) -> None:
        """Add transforms of child frames that are new, and publish all.

        The first one of a frame stays, as upstream (0.36): one that moves is not static.
        """
        for some in as_list(transform):
            if some.child_frame_id not in {t.child_frame_id for t in self.net_message.transforms}:
                self.net_message.transforms.append(some)
        self.pub_tf.publish(self.net_message)
