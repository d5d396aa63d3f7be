# SPDX-License-Identifier: Apache-2.0
"""Which demonstrations the expert gives: scene, side, and whether the goal moves in mid-run."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.control.trajectory import Trajectory
from dp_ros.sim.experts import SIDES, GoalJump, Side, plan
from dp_ros.sim.scene import GOAL_X, GOAL_Y, Point2D, Scene, sample_scene
import numpy as np

JUMP_TIME = (0.4, 1.8)
JUMP_LENGTH = (0.04, 0.09)
REACTION = 0.3
"""How long before the expert reacts the goal moves [s]: no action from what is not yet seen."""


@dataclass(frozen=True)
class ExpertEpisode:
    """One demonstration.

    :param attempt: counts from 0; two following ones pass the same scene on either side.
    """

    attempt: int
    scene: Scene
    side: Side
    trajectory: Trajectory
    jump: GoalJump | None

    @property
    def duration(self) -> float:
        """Length of the trajectory [s]."""
        return float(self.trajectory.times[-1])


def make_episode(seed: int, attempt: int, jump_share: float) -> ExpertEpisode:
    """Return a demonstration; the same arguments give the same one.

    :param jump_share: share of the scenes in which the goal moves.
    """
    scene = sample_scene(seed + attempt // 2)
    jumps = np.random.default_rng([seed, attempt // 2])
    jump = _jump(scene, jumps) if jumps.random() < jump_share else None
    side = SIDES[attempt % 2]
    rng = np.random.default_rng([seed, attempt // 2, attempt % 2])
    return ExpertEpisode(attempt, scene, side, plan(scene, side, rng, jump), jump)


def _jump(scene: Scene, rng: np.random.Generator) -> GoalJump:
    return GoalJump(float(rng.uniform(*JUMP_TIME)), _goal_beside(scene.goal, rng))


def _goal_beside(goal: Point2D, rng: np.random.Generator) -> Point2D:
    while True:
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*JUMP_LENGTH)
        x, y = goal[0] + length * np.cos(angle), goal[1] + length * np.sin(angle)
        if GOAL_X[0] <= x <= GOAL_X[1] and GOAL_Y[0] <= y <= GOAL_Y[1]:
            return float(x), float(y)
