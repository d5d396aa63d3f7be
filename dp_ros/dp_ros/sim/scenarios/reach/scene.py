# SPDX-License-Identifier: Apache-2.0
"""The scenes of the task `reach`: obstacle, goal and start of the arm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from dp_ros.sim.scenario import Point2D
import numpy as np

OBSTACLE_RADIUS: Final = 0.045
OBSTACLE_HEIGHT: Final = 0.11
"""Height [m]: with the TCP at ``GOAL_HEIGHT`` the hand passes above it, the fingers do not."""

GOAL_HEIGHT: Final = 0.09
GOAL_TOLERANCE: Final = 0.02
GOAL_X: Final = (0.64, 0.72)
GOAL_Y: Final = (-0.16, 0.16)


@dataclass(frozen=True)
class ReachScene:
    """One scene of the task, in the base frame [m].

    :param start: position of the TCP at the start (x, y, z).
    :param obstacle: centre of the cylinder (x, y).
    :param goal: centre of the goal disc on the table (x, y); the goal point is ``GOAL_HEIGHT``
        above it.
    """

    seed: int
    start: tuple[float, float, float]
    obstacle: Point2D
    goal: Point2D

    @property
    def goal_point(self) -> tuple[float, float, float]:
        """Goal point of the TCP [m]."""
        return (*self.goal, GOAL_HEIGHT)

    def with_goal(self, goal: Point2D) -> ReachScene:
        """Return the same scene with its goal elsewhere.

        :raises ValueError: when the goal is outside the area that the arm can reach.
        """
        for axis, value, (low, high) in zip('xy', goal, (GOAL_X, GOAL_Y), strict=True):
            if not low <= value <= high:
                raise ValueError(f'goal {axis} = {value:.3f} m: needs {low} to {high} m')
        return replace(self, goal=goal)


def sample_scene(seed: int) -> ReachScene:
    """Return the scene of a seed; in each, both ways around the obstacle are open."""
    rng = np.random.default_rng(seed)
    obstacle = (rng.uniform(0.54, 0.56), rng.uniform(-0.03, 0.03))
    return ReachScene(
        seed=seed,
        start=(rng.uniform(0.41, 0.43), rng.uniform(-0.02, 0.02), rng.uniform(0.085, 0.095)),
        obstacle=obstacle,
        goal=(rng.uniform(0.67, 0.70), obstacle[1] + rng.uniform(-0.04, 0.04)),
    )
