# SPDX-License-Identifier: Apache-2.0
"""A node that is gone once it is destroyed."""

from __future__ import annotations

from rclpy.node import Node


class EndingNode(Node):
    """Destroys its actions too.

    rclpy leaves those to a garbage collection, and with them the node's DDS participant: it stays
    in the domain, and ends with all its threads at any allocation, in any thread.
    """

    def destroy_node(self) -> None:
        """Let go of all that belongs to the node."""
        super().destroy_node()
        for action in list(self.waitables):
            action.destroy()
