# SPDX-License-Identifier: Apache-2.0
"""Scripted experts: around the obstacle on the left or on the right, to rest at the goal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dp_ros.arrays import Array
from dp_ros.robot.trajectory import Trajectory
from dp_ros.sim.expert_motion import joint_trajectory, minimum_jerk, path_times
from dp_ros.sim.scenario import Point2D
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
import numpy as np

Side = Literal['left', 'right']

SIDES: Final[tuple[Side, Side]] = ('left', 'right')

_HOLD = 0.8


@dataclass(frozen=True)
class GoalJump:
    """A move of the goal while the expert is on its way.

    :param time: time when the expert reacts [s from start]; ``goal``: the new goal (x, y).
    """

    time: float
    goal: Point2D


@dataclass(frozen=True)
class ObstacleJump:
    """A move of the obstacle while the expert is on its way to it.

    :param time: time when the expert reacts [s from start]; ``obstacle``: the new place (x, y).
    """

    time: float
    obstacle: Point2D


def plan(
    scene: ObstacleScene,
    side: Side,
    rng: np.random.Generator,
    jump: GoalJump | None = None,
    obstacle_jump: ObstacleJump | None = None,
) -> Trajectory:
    """Plan one demonstration; its speed and its distance from the obstacle vary at random.

    :returns: joint positions, velocities and accelerations every 40 ms, at rest at both ends,
        with the goal held for a while at the end; ``start_ns`` is 0.
    """
    return joint_trajectory(tcp_path(scene, side, rng, jump, obstacle_jump))


def tcp_path(
    scene: ObstacleScene,
    side: Side,
    rng: np.random.Generator,
    jump: GoalJump | None = None,
    obstacle_jump: ObstacleJump | None = None,
) -> Array:
    """Return TCP positions (n, 3) [m] every 10 ms.

    They are a minimum-jerk reach (Flash and Hogan 1985) plus a sideways bump that clears the
    obstacle. For a goal that jumps, a second reach is added (Flash and Henis 1991). For an
    obstacle that jumps, the bump gets its new height until the arm is beside it.
    """
    duration = rng.uniform(2.8, 3.8)
    clearance = scene.radius + rng.uniform(0.045, 0.06)
    passing = _passing(scene)
    reaction = _reaction(scene, side, jump, passing * duration) if jump else 0.0
    longest = max(duration, reaction + _correction(scene, jump) if jump else 0.0)
    times = path_times(longest + _HOLD)
    start, goal = np.asarray(scene.start), np.asarray(scene.goal_point)
    progress = times / duration
    path = start + (goal - start) * minimum_jerk(progress)[:, None]
    height = _bump_height(scene, side, clearance, passing)
    path[:, 1] += height * _bump(progress)
    if obstacle_jump is not None:
        moved = _bump_height(scene.with_obstacle(obstacle_jump.obstacle), side, clearance, passing)
        left = passing * duration - obstacle_jump.time
        seen = minimum_jerk((times - obstacle_jump.time) / left)
        path[:, 1] += (moved - height) * seen * _bump(progress)
    if jump is not None:
        shift = np.subtract(jump.goal, scene.goal)
        later = minimum_jerk((times - reaction) / _correction(scene, jump))
        path[:, :2] += shift * later[:, None]
    return path


def _passing(scene: ObstacleScene) -> float:
    """Return the share of the duration after which the arm is beside the obstacle."""
    start, goal = scene.start[0], scene.goal[0]
    grid = np.linspace(0, 1, 1001)
    progress = minimum_jerk(grid) - (scene.obstacle[0] - start) / (goal - start)
    return float(grid[np.abs(progress).argmin()])


def _bump_height(scene: ObstacleScene, side: Side, clearance: float, passing: float) -> float:
    """Return the height of the bump with which the path passes the obstacle at ``clearance``."""
    done, bump = (shape(np.array([passing]))[0] for shape in (minimum_jerk, _bump))
    straight = scene.start[1] + (scene.goal[1] - scene.start[1]) * done
    return float((scene.obstacle[1] + _sign(side) * clearance - straight) / bump)


def _reaction(scene: ObstacleScene, side: Side, jump: GoalJump, passed: float) -> float:
    """Return when the correction begins [s]; towards the obstacle only after passing it."""
    towards = _sign(side) * (jump.goal[1] - scene.goal[1]) < 0
    return max(jump.time, passed) if towards else jump.time


def _sign(side: Side) -> int:
    return 1 if side == 'left' else -1


def _correction(scene: ObstacleScene, jump: GoalJump) -> float:
    """Return the duration of the added reach [s]."""
    return 1.2 + 4.0 * float(np.linalg.norm(np.subtract(jump.goal, scene.goal)))


def _bump(progress: Array) -> Array:
    """Return a smooth bump: 0, 1 half-way, 0; at rest at both ends."""
    s = np.clip(progress, 0, 1)
    return 64 * s**3 * (1 - s) ** 3
