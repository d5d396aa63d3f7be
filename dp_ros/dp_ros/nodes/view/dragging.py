# SPDX-License-Identifier: Apache-2.0
"""Goal and obstacle of a simulation, dragged over the table in the scene."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from dp_ros.nodes.view.handle import Handle, Place
from dp_ros.nodes.view.steering import Steering
from dp_ros.ros.conversions import place_to_msg
from dp_ros.ros.qos import EVERY
from dp_ros_msgs.msg import EpisodeStatus
from geometry_msgs.msg import PoseStamped
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher

GOAL: Final = 'goal'
OBSTACLE: Final = 'obstacle'
_LOOKS: Final = {GOAL: (0.18, 0.0), OBSTACLE: (0.14, 0.11)}  # Size, height above the table [m].


class Dragging:
    """Shows what can be dragged where it is, and asks the simulation to move it."""

    def __init__(self, node: Node, scene: Any, steering: Steering) -> None:
        self._node, self._steering = node, steering
        self._frame = ''
        self._out: dict[str, Publisher] = {}
        self._handles: dict[str, Handle] = {}
        for what, look in _LOOKS.items():
            self._out[what] = node.create_publisher(PoseStamped, f'{what}_pose', EVERY)
            self._handles[what] = Handle(scene, f'/{what}', *look, partial(self._ask, what))

    def show_goal(self, message: PoseStamped) -> None:
        """Show the goal that holds."""
        p = message.pose.position
        self._show(GOAL, message.header.frame_id, (p.x, p.y, p.z))

    def show_obstacle(self, message: EpisodeStatus) -> None:
        """Show the obstacle of an episode, if it has one."""
        p = message.obstacle
        if message.obstacle_radius > 0.0:
            self._show(OBSTACLE, message.header.frame_id, (p.x, p.y, p.z))
        else:
            self._handles[OBSTACLE].hide()

    def settle(self) -> None:
        """Put back what was dragged to where it may not be."""
        for handle in self._handles.values():
            handle.settle()

    def _show(self, what: str, frame: str, place: Place) -> None:
        if self._steering.remote.simulated and self._steering.allowed():
            if np.isfinite(place).all():
                self._frame = frame
                self._handles[what].show(place)
        else:
            self._handles[what].hide()

    def _ask(self, what: str, page: int, place: Place) -> None:
        async def publish() -> None:
            stamp = self._node.get_clock().now().to_msg()
            self._out[what].publish(place_to_msg(place, stamp, self._frame))

        x, y, _ = place
        self._steering.wish(page, f'{what} at {x:.3f}, {y:.3f} m', publish)
