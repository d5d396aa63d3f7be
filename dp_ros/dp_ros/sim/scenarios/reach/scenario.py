# SPDX-License-Identifier: Apache-2.0
"""The task `reach`: from afar around an obstacle, on either side, to a goal that may move."""

from __future__ import annotations

from typing import ClassVar, Final

from dp_ros.sim.scenarios.obstacle.scenario import ObstacleScenario
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
from dp_ros.sim.scenarios.reach.scene import OBSTACLE_RADIUS, sample_scene


class Reach(ObstacleScenario):
    """The task, with time to choose a side on the way."""

    name: ClassVar = 'reach'
    radius: ClassVar = OBSTACLE_RADIUS

    def sample(self, seed: int) -> ObstacleScene:
        """Return the scene of a seed."""
        return sample_scene(seed)


REACH: Final = Reach()
