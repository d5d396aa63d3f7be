# SPDX-License-Identifier: Apache-2.0
"""The task `dash`: at once around an obstacle that is close ahead, on either side."""

from __future__ import annotations

from typing import ClassVar, Final

from dp_ros.sim.scenarios.dash.scene import OBSTACLE_RADIUS, sample_scene
from dp_ros.sim.scenarios.obstacle.scenario import ObstacleScenario
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene


class Dash(ObstacleScenario):
    """The task, in which the mean of both sides ends in the obstacle before the next chunk."""

    name: ClassVar = 'dash'
    radius: ClassVar = OBSTACLE_RADIUS

    def sample(self, seed: int) -> ObstacleScene:
        """Return the scene of a seed."""
        return sample_scene(seed)


DASH: Final = Dash()
