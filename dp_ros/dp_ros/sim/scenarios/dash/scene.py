# SPDX-License-Identifier: Apache-2.0
"""The scenes of the task `dash`: the obstacle is close ahead of the arm."""

from __future__ import annotations

from typing import Final

from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
import numpy as np

OBSTACLE_RADIUS: Final = 0.055


def sample_scene(seed: int) -> ObstacleScene:
    """Return the scene of a seed; nothing in it tells on which side to pass."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0.54, 0.56), rng.uniform(-0.03, 0.03)
    return ObstacleScene(
        seed=seed,
        start=(
            x - rng.uniform(0.09, 0.10),
            y + rng.uniform(-0.01, 0.01),
            rng.uniform(0.085, 0.095),
        ),
        obstacle=(x, y),
        goal=(rng.uniform(0.67, 0.70), y + rng.uniform(-0.02, 0.02)),
        radius=OBSTACLE_RADIUS,
    )
