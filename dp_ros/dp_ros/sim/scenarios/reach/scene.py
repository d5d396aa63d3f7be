# SPDX-License-Identifier: Apache-2.0
"""The scenes of the task `reach`: obstacle, goal and start of the arm."""

from __future__ import annotations

from typing import Final

from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
import numpy as np

OBSTACLE_RADIUS: Final = 0.045


def sample_scene(seed: int) -> ObstacleScene:
    """Return the scene of a seed; in each, both ways around the obstacle are open."""
    rng = np.random.default_rng(seed)
    obstacle = (rng.uniform(0.54, 0.56), rng.uniform(-0.03, 0.03))
    return ObstacleScene(
        seed=seed,
        start=(rng.uniform(0.41, 0.43), rng.uniform(-0.02, 0.02), rng.uniform(0.085, 0.095)),
        obstacle=obstacle,
        goal=(rng.uniform(0.67, 0.70), obstacle[1] + rng.uniform(-0.04, 0.04)),
        radius=OBSTACLE_RADIUS,
    )
