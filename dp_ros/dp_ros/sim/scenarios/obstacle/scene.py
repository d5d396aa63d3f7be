# SPDX-License-Identifier: Apache-2.0
"""Scenes with an obstacle between the start of the arm and its goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from dp_ros.sim.scenario import Point2D, Point3D

OBSTACLE_HEIGHT: Final = 0.11
"""Height [m]: with the TCP at ``GOAL_HEIGHT`` the hand passes above it, the fingers do not."""

GOAL_HEIGHT: Final = 0.09
GOAL_TOLERANCE: Final = 0.02
GOAL_X: Final = (0.64, 0.72)
GOAL_Y: Final = (-0.16, 0.16)
OBSTACLE_X: Final = (0.52, 0.58)
OBSTACLE_Y: Final = (-0.08, 0.08)


@dataclass(frozen=True)
class ObstacleScene:
    """One scene, in the base frame [m].

    :param start: position of the TCP at the start (x, y, z).
    :param obstacle: centre of the cylinder (x, y); ``radius``: its radius.
    :param goal: centre of the goal disc on the table (x, y); the goal point is ``GOAL_HEIGHT``
        above it.
    """

    seed: int
    start: Point3D
    obstacle: Point2D
    goal: Point2D
    radius: float

    @property
    def goal_point(self) -> Point3D:
        """Goal point of the TCP [m]."""
        return (*self.goal, GOAL_HEIGHT)

    def with_goal(self, goal: Point2D) -> ObstacleScene:
        """Return the same scene with its goal elsewhere.

        :raises ValueError: when the goal is outside the area that the arm can reach.
        """
        _check('goal', goal, {'x': GOAL_X, 'y': GOAL_Y})
        return replace(self, goal=goal)

    def with_obstacle(self, obstacle: Point2D) -> ObstacleScene:
        """Return the same scene with its obstacle elsewhere.

        :raises ValueError: when it would be where the arm cannot pass it on both sides.
        """
        _check('obstacle', obstacle, {'x': OBSTACLE_X, 'y': OBSTACLE_Y})
        return replace(self, obstacle=obstacle)


def _check(what: str, place: Point2D, area: Mapping[str, tuple[float, float]]) -> None:
    for value, (axis, (low, high)) in zip(place, area.items(), strict=True):
        if not low <= value <= high:
            raise ValueError(f'{what} {axis} = {value:.3f} m: needs {low} to {high} m')
