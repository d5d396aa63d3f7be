# SPDX-License-Identifier: Apache-2.0
"""A node whose DDS participant ends when it is destroyed."""

from __future__ import annotations

from rclpy.node import Node


class EndingNode(Node):
    """Node that destroys its actions too.

    rclpy leaves these to garbage collection, and with them the node's DDS participant. It would
    stay in the domain, and end with all its threads at any later allocation, in any thread.
    """

    def destroy_node(self) -> None:
        """Destroy everything that belongs to the node."""
        super().destroy_node()
        for action in list(self.waitables):
            action.destroy()
