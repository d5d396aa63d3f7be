# SPDX-License-Identifier: Apache-2.0
"""The table and the pictures of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dp_ros.tools.common.statistics import wilson
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

Result = Mapping[str, Any]

TABLE, PICTURE = 'table.md', 'methods.png'
"""Files of a report."""

COLUMNS = (
    'method',
    'goal reached',
    'by each seed [95 %]',
    'collisions',
    'left',
    'both ways in one scene',
    'denoising steps',
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

    Each interval is that of one policy, over its episodes. The mean of a method has none: episodes
    of one training are not independent, and a few trainings say little about others.
    """
    rows = [COLUMNS, ('---',) * len(COLUMNS), *(_row(m, runs) for m, runs in methods.items())]
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


def _row(method: str, runs: Sequence[Result]) -> tuple[str, ...]:
    episodes = sum(run['episodes'] for run in runs)
    successes = sum(run['successes'] for run in runs)
    shares = [run['left_share'] for run in runs if run['left_share'] is not None]
    chunk = sorted(run['chunk_ms'] for run in runs)[len(runs) // 2]
    return (
        method,
        f'{successes / episodes:.0%}',
        ', '.join(_reached(run) for run in sorted(runs, key=_rate)),
        f'{sum(run["collisions"] for run in runs) / episodes:.0%}',
        f'{sum(shares) / len(shares):.0%}' if shares else '-',
        f'{sum(run["both_ways"] for run in runs) / len(runs):.0%}',
        str(runs[0]['num_inference_steps']),
        f'{chunk:.0f} ms',
    )


def _rate(run: Result) -> float:
    rate: float = run['successes'] / run['episodes']
    return rate


def _reached(run: Result) -> str:
    low, high = wilson(run['successes'], run['episodes'])
    return f'{_rate(run):.0%} [{100 * low:.0f}, {100 * high:.0f}]'


def _save(file: Path, draw: Any) -> None:
    figure = Figure(figsize=(9.6, 4.2), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    draw(figure.subplots(1, 2))
    figure.savefig(file)


def _draw_methods(axes: Sequence[Axes], methods: Mapping[str, Sequence[Result]]) -> None:
    """Draw a dot per training run: the rate of reached goals, and the share passed on the left."""
    keys = (
        ('goal reached', _rate),
        ('past the obstacle on the left', lambda run: run['left_share']),
    )
    for panel, (label, value) in zip(axes, keys, strict=True):
        for row, runs in enumerate(methods.values()):
            values = [value(run) for run in runs if value(run) is not None]
            panel.plot(values, [row] * len(values), 'o', color='tab:blue', alpha=0.6)
        panel.set(xlim=(-0.03, 1.03), xlabel=label)
        panel.set_yticks(range(len(methods)), list(methods))
        panel.invert_yaxis()
        panel.grid(alpha=0.3)


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
