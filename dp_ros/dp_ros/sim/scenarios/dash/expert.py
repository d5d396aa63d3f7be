# SPDX-License-Identifier: Apache-2.0
"""Scripted expert: aside at once, forward past the obstacle, and to rest at the goal."""

from __future__ import annotations

from typing import Final

from dp_ros.arrays import Array
from dp_ros.robot.trajectory import Trajectory
from dp_ros.sim.expert_motion import joint_trajectory, minimum_jerk, path_times
from dp_ros.sim.scenarios.obstacle.scene import ObstacleScene
import numpy as np

_HOLD: Final = 0.6
_ASIDE: Final = 0.42
_FORWARD: Final = 0.12
_BACK: Final = 0.5


def plan(scene: ObstacleScene, side: str, rng: np.random.Generator) -> Trajectory:
    """Plan one demonstration; its speed and its distance from the obstacle vary at random.

    :returns: joint positions, velocities and accelerations every 40 ms, at rest at both ends,
        with the goal held for a while at the end; ``start_ns`` is 0.
    """
    return joint_trajectory(tcp_path(scene, side, rng))


def tcp_path(scene: ObstacleScene, side: str, rng: np.random.Generator) -> Array:
    """Return TCP positions (n, 3) [m] every 10 ms.

    They are the sum of minimum-jerk motions, in shares of the duration:

    ```
    aside    ├──────── 0.42
    forward      0.12 ──────────────────────────┤
    back                    0.5 ────────────────┤
    ```
    """
    duration = rng.uniform(1.3, 1.7)
    clearance = scene.radius + rng.uniform(0.05, 0.065)
    beside = scene.obstacle[1] + (clearance if side == 'left' else -clearance)
    times = path_times(duration + _HOLD)
    progress = times / duration
    start, goal = np.asarray(scene.start), np.asarray(scene.goal_point)
    forward = minimum_jerk((progress - _FORWARD) / (1 - _FORWARD))
    path = start + (goal - start) * forward[:, None]
    path[:, 1] = start[1] + (beside - start[1]) * minimum_jerk(progress / _ASIDE)
    path[:, 1] += (goal[1] - beside) * minimum_jerk((progress - _BACK) / (1 - _BACK))
    return path
