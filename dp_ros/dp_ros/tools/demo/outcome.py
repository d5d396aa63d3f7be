# SPDX-License-Identifier: Apache-2.0
"""What the demo says at its end: the policies in a table, the files, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from dp_ros.tools.common.statistics import wilson
from rich.box import SIMPLE_HEAD
from rich.table import Table

_COLUMNS: Final = {'dash': 'diffusion', 'dash_mse': 'regression'}


def outcome_table(summary: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a column per policy.

    :param summary: figures (`summarize`) by policy.
    """
    table = Table(box=SIMPLE_HEAD)
    table.add_column()
    for model in summary:
        table.add_column(_COLUMNS[model], justify='right')
    for label, text in _ROWS.items():
        table.add_row(label, *(text(figures) for figures in summary.values()))
    return table


def what_next(out: Path, models: Path) -> str:
    """Return the files with what each one is, and the next commands."""
    policy = models / 'dash'
    return '\n'.join(
        (
            f'The runs from above, as a picture:          {out / "picture.png"}',
            f'Each scene with both policies, as a video:  {out / "video.mp4"}',
            f'All figures, for programs:                  {out / "summary.json"}',
            '',
            'Next, in this folder:',
            '',
            '  Play with it in a browser: drag the obstacle, draw other noise, change the policy.',
            f'  $ ./dp run ros2 launch dp_ros_bringup sim.launch.py policy:={policy}',
            '',
            '  Run 25 scenes four times each: does the noise alone choose the side?',
            f'  $ ./dp run ros2 run dp_ros evaluate --policy {policy} --episodes 25 --rerolls 4',
            '',
            '  Record demonstrations for a policy of your own; README.md goes on from there.',
            '  $ ./dp run ros2 run dp_ros record_expert --task dash --out demos/dash',
        )
    )


def _reached(figures: Mapping[str, Any]) -> str:
    episodes = figures['episodes']
    done = sum(episode['success'] for episode in episodes)
    low, high = wilson(done, len(episodes))
    return f'{done} of {len(episodes)}  [{100 * low:.0f} % to {100 * high:.0f} %]'


def _sides(figures: Mapping[str, Any]) -> str:
    passed = [episode['side'] for episode in figures['episodes'] if episode['success']]
    return f'{passed.count("left")} left, {passed.count("right")} right'


def _judged(figures: Mapping[str, Any]) -> str:
    violations = figures['judge_violations']
    return f'{violations} violations' if violations else 'all kept'


def _latency(figures: Mapping[str, Any]) -> str:
    latency = figures['latency_ms']['p50']
    return '-' if latency is None else f'{latency:.0f} ms'


_ROWS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    'goal reached [95 %]': _reached,
    'passed the obstacle': _sides,
    'collided': lambda figures: str(figures['collisions']),
    'FR3 limits, at 1 kHz': _judged,
    'image to chunk, median': _latency,
}
