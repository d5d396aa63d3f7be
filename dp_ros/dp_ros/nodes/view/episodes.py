# SPDX-License-Identifier: Apache-2.0
"""The episodes of a simulation: counted as they end, and begun one after the other if asked."""

from __future__ import annotations

from typing import Final

from dp_ros.nodes.view.play import Play
from dp_ros.nodes.view.score import ScoreBoard
from dp_ros.nodes.view.steering import Steering
from dp_ros_msgs.msg import EpisodeStatus
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

_PAUSE: Final = 1.5  # Between an episode and the next one, if they keep going [s].
_ENDINGS: Final = {
    EpisodeStatus.SUCCESS: 'success',
    EpisodeStatus.COLLISION: 'collision',
    EpisodeStatus.FAILURE: 'failure',
}


class Episodes:
    """Follows `episode/status`.

    ``scene`` is the seed of the scene that is simulated, None without one.
    """

    def __init__(self, node: Node, play: Play, steering: Steering) -> None:
        self._node, self._play, self._steering = node, play, steering
        self._score = ScoreBoard()
        self.scene: int | None = None

    def see(self, message: EpisodeStatus, policy: str) -> None:
        """Take a status of an episode in which ``policy`` moves the arm."""
        if message.state == EpisodeStatus.IDLE:
            return
        self.scene = message.seed
        self._play.follow_scene(message.seed)
        ending = _ENDINGS.get(message.state, '')
        if self._score.see(message.seed, message.elapsed, ending, message.side, policy or '–'):
            self._play.show_score(self._score.rows())
            if self._play.keep_going.value:
                self._begin_later()

    def clear(self) -> None:
        """Forget how episodes ended."""
        self._score.clear()
        self._play.show_score([])

    def _begin_later(self) -> None:
        """Begin the next episode in a while, for the page that has the control."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)

        def begin() -> None:
            self._node.destroy_timer(timer)
            owner = self._steering.control.owner
            if owner is not None and self._play.keep_going.value:
                self._play.begin(owner, new_scene=True)

        timer = self._node.create_timer(_PAUSE, begin, clock=steady)
