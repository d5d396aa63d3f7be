# SPDX-License-Identifier: Apache-2.0
"""A picture that shows at a glance what a diffusion policy gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dp_ros.arrays import Array
from dp_ros.robot.kinematics import forward
from dp_ros.sim.scenario import AnyScenario
from dp_ros.sim.scenarios.experts import expert_path
from dp_ros.tools.common.episodes.rollout import Rollout
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle
import numpy as np

LEFT, RIGHT, CRASH, GOAL, SHOWN = '#2a6fdb', '#e8871e', '#c1121f', '#2e9e4f', '0.78'


@dataclass(frozen=True)
class RunFromAbove:
    """One run seen from above.

    :param tcp: (n, 2) TCP positions x and y in the base frame [m].
    :param obstacle: (2,) centre of the obstacle [m]; ``radius``: its radius; ``goal``: (2,) [m].
    :param demonstrated: TCP positions (m, 2) [m] of the expert in this scene, on each side.
    """

    tcp: Array
    obstacle: tuple[float, float]
    radius: float
    goal: tuple[float, float]
    collision: bool
    success: bool
    demonstrated: tuple[Array, ...] = ()

    @classmethod
    def from_rollout(cls, rollout: Rollout, scenario: AnyScenario) -> RunFromAbove:
        """Return a rollout as seen from above."""
        status, scene = rollout.statuses[-1], scenario.sample(rollout.result.seed)
        shown = (expert_path(scenario.name, scene, side) for side in scenario.sides)
        return cls(
            tcp=forward(rollout.log.measured)[::10, :2],
            obstacle=(status.obstacle.x, status.obstacle.y),
            radius=status.obstacle_radius,
            goal=(status.goal.x, status.goal.y),
            collision=rollout.result.collision,
            success=rollout.result.success,
            demonstrated=tuple(path[:, :2] for path in shown if path is not None),
        )

    @property
    def colour(self) -> str:
        """Colour: red for a collision, else by the side on which the obstacle was passed."""
        if self.collision:
            return CRASH
        beside = np.abs(self.tcp[:, 0] - self.obstacle[0]).argmin()
        return LEFT if self.tcp[beside, 1] > self.obstacle[1] else RIGHT


def draw_comparison(panels: Mapping[str, Sequence[RunFromAbove]], file: Path) -> None:
    """Draw one panel of runs per title, each run relative to its own obstacle."""
    figure = Figure(figsize=(4.8 * len(panels), 4.7), dpi=120, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (title, runs) in zip(axes, panels.items(), strict=True):
        _draw_runs(panel, title, runs)
    axes[0].set_ylabel('forward from the obstacle [m]')
    figure.savefig(file)


def _draw_runs(axes: Axes, title: str, runs: Sequence[RunFromAbove]) -> None:
    for run in runs:
        for shown in run.demonstrated:
            beside = shown - np.asarray(run.obstacle)
            axes.plot(beside[:, 1], beside[:, 0], color=SHOWN, linewidth=1, zorder=1)
        path = run.tcp - np.asarray(run.obstacle)
        goal = np.asarray(run.goal) - np.asarray(run.obstacle)
        axes.plot(path[:, 1], path[:, 0], color=run.colour, linewidth=2)
        axes.plot(path[0, 1], path[0, 0], 'o', color='black', markersize=4)
        axes.plot(goal[1], goal[0], '*', color=GOAL, markersize=13)
        if run.collision:
            axes.plot(path[-1, 1], path[-1, 0], 'X', color=CRASH, markersize=12)
    axes.add_patch(Circle((0, 0), runs[0].radius, color='0.35'))
    if any(run.demonstrated for run in runs):
        axes.plot([], [], color=SHOWN, label='demonstrated')
        axes.legend(loc='upper right')
    axes.set_title(f'{title}\n{_count(runs)}')
    axes.set_xlabel('left of the obstacle [m]')
    axes.set_aspect('equal')
    axes.set_xlim(0.18, -0.18)
    axes.margins(y=0.12)
    axes.grid(alpha=0.25)


def _count(runs: Sequence[RunFromAbove]) -> str:
    colours = [run.colour for run in runs]
    counts = {
        'left': colours.count(LEFT),
        'right': colours.count(RIGHT),
        'collided': colours.count(CRASH),
    }
    return ', '.join(f'{count} {what}' for what, count in counts.items() if count)
