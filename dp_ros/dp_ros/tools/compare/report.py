# SPDX-License-Identifier: Apache-2.0
"""The table and the pictures of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dp_ros.tools.common.statistics import hierarchical_bootstrap
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter
import numpy as np

Result = Mapping[str, Any]

_ENDS: Final = ('tab:green', 'tab:red', '0.8')

TABLE, PICTURE = 'table.md', 'methods.png'
"""Files of a report."""

CAPTION: Final = 'Goal reached by each method, and the ends of its episodes'

COLUMNS = (
    'method',
    'goal [95 %]',
    'seeds',
    'collided',
    'left',
    'both ways',
    'steps',
    'chunk',
)


def write_report(results: Sequence[Result], folder: Path) -> None:
    """Write table and picture of the methods, and `steps.png` where a curve was measured."""
    methods = by_method([result for result in results if result['sampler'] == 'auto'])
    (folder / TABLE).write_text(table(methods))
    _save(folder / PICTURE, lambda axes: _draw_methods(axes, methods))
    curve = [result for result in results if result['sampler'] != 'auto']
    if curve:
        _save(folder / 'steps.png', lambda axes: _draw_steps(axes, curve))


def by_method(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Group the results of all seeds by method."""
    methods: dict[str, list[Result]] = {}
    for result in results:
        methods.setdefault(result['method'], []).append(result)
    return methods


def table(methods: Mapping[str, Sequence[Result]]) -> str:
    """Return the table as Markdown, a row per method.

    The interval is that of the method: of its mean over seeds, if other seeds were trained and
    other scenes run.
    """
    rows = [COLUMNS, ('---',) * len(COLUMNS), *(_row(m, runs) for m, runs in methods.items())]
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


def _row(method: str, runs: Sequence[Result]) -> tuple[str, ...]:
    shares = [run['left_share'] for run in runs if run['left_share'] is not None]
    chunk = sorted(run['chunk_ms'] for run in runs)[len(runs) // 2]
    low, high = _interval(runs)
    return (
        method,
        f'{_mean(map(_rate, runs)):.0%} [{100 * low:.0f}, {100 * high:.0f}]',
        ', '.join(f'{100 * rate:.0f}' for rate in sorted(map(_rate, runs))),
        f'{_mean(map(_collided, runs)):.0%}',
        f'{_mean(shares):.0%}' if shares else '-',
        f'{_mean(run["both_ways"] for run in runs):.0%}',
        str(runs[0]['num_inference_steps']),
        f'{chunk:.0f} ms',
    )


def _rate(run: Result) -> float:
    rate: float = run['successes'] / run['episodes']
    return rate


def _collided(run: Result) -> float:
    rate: float = run['collisions'] / run['episodes']
    return rate


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _interval(runs: Sequence[Result]) -> tuple[float, float]:
    """Return the 95 % interval of a method's rate of reached goals, over seeds and episodes."""
    return hierarchical_bootstrap(
        [run['successes'] for run in runs], [run['episodes'] for run in runs]
    )


def _save(file: Path, draw: Any) -> None:
    figure = Figure(figsize=(9.6, 4.2), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    draw(figure.subplots(1, 2))
    figure.savefig(file)


def _draw_methods(axes: Sequence[Axes], methods: Mapping[str, Sequence[Result]]) -> None:
    """Draw how often each method reaches the goal, with its interval, and how its episodes end."""
    for row, runs in enumerate(methods.values()):
        mean, ends = _mean(map(_rate, runs)), _interval(runs)
        labels = [None, None] if row else ['each training (seed)', 'their mean, 95 % interval']
        seeds = [100 * _rate(run) for run in runs]
        axes[0].plot(seeds, [row - 0.22] * len(seeds), 'o', color='0.5', ms=5, label=labels[0])
        axes[0].plot([100 * end for end in ends], [row] * 2, color='tab:blue', linewidth=3)
        axes[0].plot(100 * mean, row, 'D', color='tab:blue', label=labels[1])
        _draw_ends(axes[1], row, mean, _mean(map(_collided, runs)))
    titles = 'How often is the goal reached?', 'How do the episodes end?'
    for panel, title in zip(axes, titles, strict=True):
        panel.set(xlim=(-2, 102), title=title, xlabel='% of the episodes')
        panel.set_yticks(range(len(methods)), list(methods))
        panel.invert_yaxis()
        panel.legend(loc='upper center', bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False)
    axes[0].grid(alpha=0.3)
    axes[1].tick_params(labelleft=False)


def _draw_ends(axes: Axes, row: int, reached: float, collided: float) -> None:
    """Draw a bar of 100 % whose parts are how the episodes of a method ended."""
    parts = {
        'goal reached': reached,
        'collided': collided,
        'not done in time': 1 - reached - collided,
    }
    begin = 0.0
    for (label, part), colour in zip(parts.items(), _ENDS, strict=True):
        shown = None if row else label
        axes.barh(row, 100 * part, left=100 * begin, color=colour, height=0.6, label=shown)
        begin += part


def _draw_steps(axes: Sequence[Axes], results: Sequence[Result]) -> None:
    """Draw success and time of a chunk over the denoising steps, a line per sampler."""
    lines: dict[str, list[Result]] = {}
    for result in results:
        lines.setdefault(f'{result["method"]}, {result["sampler"]}', []).append(result)
    for label, runs in lines.items():
        runs = sorted(runs, key=lambda run: run['num_inference_steps'])
        steps = [run['num_inference_steps'] for run in runs]
        axes[0].plot(steps, [_rate(run) for run in runs], '.-', label=label)
        axes[1].plot(steps, [r['chunk_ms'] for r in runs], '.-', label=label)
    axes[0].set(xlabel='denoising steps', ylabel='goal reached', ylim=(-0.03, 1.03))
    axes[1].set(xlabel='denoising steps', ylabel='time of a chunk [ms]', yscale='log')
    for panel in axes:
        panel.set_xscale('log')
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(StrMethodFormatter('{x:g}'))
            axis.set_minor_formatter(NullFormatter())
        panel.grid(alpha=0.3)
    axes[0].legend()
