# SPDX-License-Identifier: Apache-2.0
"""How an episode's commanded motion compares with the expert's in the same scene."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from dp_ros.arrays import Array
from dp_ros.robot.kinematics import forward
from dp_ros.sim.scenario import AnyScenario
from dp_ros.sim.scenarios.experts import expert_path
from dp_ros.sim.world import PERIOD
from dp_ros.tools.common.smoothness import RATE, smoothness, until
import numpy as np

AT_GOAL: Final = 0.02
"""Distance from the goal at which the compared part of a motion ends [m]."""

_EVERY: Final = round(1 / (RATE * PERIOD))


@dataclass(frozen=True)
class MotionFigures:
    """Smoothness of the TCP's commanded path, and of the expert's; closer to the expert is better.

    :param sparc: spectral arc length; ``ldlj``: log dimensionless jerk.
    :param speed_peaks: number of peaks of the speed.
    :param path_ratio: length of the path as a multiple of the expert's.
    """

    sparc: float
    ldlj: float
    speed_peaks: float
    path_ratio: float
    expert_sparc: float
    expert_ldlj: float
    expert_speed_peaks: float


def motion_figures(
    scenario: AnyScenario, scene: Any, side: str, commands: Array
) -> MotionFigures | None:
    """Compare commands (n, 7) [rad] at 1 kHz with the expert's motion on the side taken.

    :param scene: scene at the end of the episode; with a goal that has moved, its new place.
    :returns: None where there is no expert, or nothing moved.
    """
    expert = expert_path(scenario.name, scene, side) if side else None
    if expert is None or len(commands) == 0:
        return None
    goal = np.asarray(scene.goal_point)
    done = smoothness(until(forward(commands[::_EVERY]), goal, AT_GOAL))
    shown = smoothness(until(expert, goal, AT_GOAL))
    if done is None or shown is None:
        return None
    return MotionFigures(
        sparc=round(done.sparc, 3),
        ldlj=round(done.ldlj, 3),
        speed_peaks=done.speed_peaks,
        path_ratio=round(done.length / shown.length, 3),
        expert_sparc=round(shown.sparc, 3),
        expert_ldlj=round(shown.ldlj, 3),
        expert_speed_peaks=shown.speed_peaks,
    )


def side_flips(scenario: AnyScenario, scene: Any, chunks: Iterable[Array]) -> int:
    """Return how often the side that successive chunks (n, 7) [rad] lead to changes."""
    sides = [side for chunk in chunks if (side := scenario.leads_to(scene, chunk))]
    return sum(before != after for before, after in zip(sides, sides[1:], strict=False))
