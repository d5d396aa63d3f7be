# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the experts: scene, side, and whether anything moves in mid-episode."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.robot.trajectory import Trajectory
from dp_ros.sim.scenario import AnyScenario, Point2D, Scene
from dp_ros.sim.scenarios.dash import expert as dash
from dp_ros.sim.scenarios.dash.scenario import DASH
from dp_ros.sim.scenarios.obstacle.scene import GOAL_X, GOAL_Y, ObstacleScene
from dp_ros.sim.scenarios.pick_place.expert import GRIPS, ORDERS, plan_pick_place
from dp_ros.sim.scenarios.pick_place.scenario import PICK_PLACE
from dp_ros.sim.scenarios.reach.expert import SIDES, GoalJump, ObstacleJump, plan
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.sim.scenarios.reach.scene import sample_scene
import numpy as np

JUMP_TIME = (0.4, 1.8)
JUMP_LENGTH = (0.04, 0.09)
OBSTACLE_JUMP_TIME = (0.4, 0.8)
OBSTACLE_JUMP_LENGTH = (0.02, 0.05)
REACTION = 0.3
"""Time from a move to the expert's reaction [s]: it must have been seen before."""


@dataclass(frozen=True)
class ExpertEpisode:
    """One demonstration.

    :param attempt: number of the attempt, from 0.
    :param side: side to take; ``order``: order of the approach, where the expert has two.
    :param fingers: target of the gripper, for a task with one.
    """

    scenario: AnyScenario
    attempt: int
    scene: Scene
    side: str
    trajectory: Trajectory
    jump: GoalJump | None = None
    obstacle_jump: ObstacleJump | None = None
    fingers: Trajectory | None = None
    order: str = ''

    @property
    def duration(self) -> float:
        """Length of the trajectory [s]."""
        return float(self.trajectory.times[-1])


def make_episode(
    seed: int, attempt: int, jump_share: float, obstacle_share: float = 0.0
) -> ExpertEpisode:
    """Return a demonstration of `reach`; the same arguments give the same one.

    Two successive attempts pass the same scene, one on either side.

    :param jump_share: share of the scenes in which the goal moves.
    :param obstacle_share: share of the others in which the obstacle moves.
    """
    scene = sample_scene(seed + attempt // 2)
    jumps = np.random.default_rng([seed, attempt // 2])
    jump = _jump(scene, jumps) if jumps.random() < jump_share else None
    moves = jump is None and jumps.random() < obstacle_share
    aside = _obstacle_jump(scene, jumps) if moves else None
    side = SIDES[attempt % 2]
    rng = np.random.default_rng([seed, attempt // 2, attempt % 2])
    trajectory = plan(scene, side, rng, jump, aside)
    return ExpertEpisode(REACH, attempt, scene, side, trajectory, jump, aside)


def make_dash_episode(seed: int, attempt: int) -> ExpertEpisode:
    """Return a demonstration of `dash`; the same arguments give the same one.

    Two successive attempts pass the same scene, one on either side. With one side a scene, a
    regression could learn the sides of all scenes by heart.
    """
    scene = DASH.sample(seed + attempt // 2)
    side = SIDES[attempt % 2]
    rng = np.random.default_rng([seed, attempt // 2, attempt % 2])
    return ExpertEpisode(DASH, attempt, scene, side, dash.plan(scene, side, rng))


def make_pick_place_episode(seed: int, attempt: int) -> ExpertEpisode:
    """Return a demonstration of `pick_place`; four successive ones have all grips and orders.

    The same arguments give the same one.
    """
    scene = PICK_PLACE.sample(seed + attempt)
    grip, order = GRIPS[attempt % 2], ORDERS[attempt // 2 % 2]
    demonstration = plan_pick_place(scene, grip, order, np.random.default_rng([seed, attempt]))
    return ExpertEpisode(
        PICK_PLACE,
        attempt,
        scene,
        grip,
        demonstration.arm,
        fingers=demonstration.fingers,
        order=order,
    )


def _jump(scene: ObstacleScene, rng: np.random.Generator) -> GoalJump:
    return GoalJump(float(rng.uniform(*JUMP_TIME)), _goal_beside(scene.goal, rng))


def _obstacle_jump(scene: ObstacleScene, rng: np.random.Generator) -> ObstacleJump:
    x, y = scene.obstacle
    aside = float(rng.uniform(*OBSTACLE_JUMP_LENGTH) * rng.choice((-1, 1)))
    return ObstacleJump(float(rng.uniform(*OBSTACLE_JUMP_TIME)), (x, y + aside))


def _goal_beside(goal: Point2D, rng: np.random.Generator) -> Point2D:
    while True:
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*JUMP_LENGTH)
        x, y = goal[0] + length * np.cos(angle), goal[1] + length * np.sin(angle)
        if GOAL_X[0] <= x <= GOAL_X[1] and GOAL_Y[0] <= y <= GOAL_Y[1]:
            return float(x), float(y)
