# SPDX-License-Identifier: Apache-2.0
"""The figures of a ledger as a table, as JSON and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dp_ros.robot.units import MS
from dp_ros.ros.ledger import (
    Stage,
    Times,
    clock_step_ns,
    followed,
    stages,
)
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from rich.table import Table
from rich.text import Text

_COLUMNS: Final = ('p50', 'p95', 'max')


def figures(chunks: list[Times]) -> dict[str, Any]:
    """Return the figures as a dict that JSON can hold."""
    found = stages(chunks)
    return {
        'chunks': len(chunks),
        'followed': followed(chunks),
        'clock': _clock(chunks),
        'stages': [_entry(stage) for stage in found],
        'contradictions': list(_contradictions(found)),
    }


def as_table(chunks: list[Times]) -> Table:
    """Return the stages as a table of at most 80 columns."""
    found = stages(chunks)
    lines = [
        f'{len(chunks)} chunks, {followed(chunks)} moved the arm; {_clock(chunks)}',
        *_contradictions(found),
    ]
    table = Table(caption='\n'.join(lines), caption_justify='left')
    table.add_column('from')
    table.add_column('to')
    for name in _COLUMNS:
        table.add_column(Text(f'{name} [ms]'), justify='right')
    for index, stage in enumerate(found):
        if index == len(found) - 1:
            table.add_section()
        values = stage.percentiles()
        cells = ['-'] * 3 if values is None else [f'{1e3 * value:.1f}' for value in values]
        table.add_row(stage.begin, stage.end, *cells)
    return table


def draw(chunks: list[Times], file: Path) -> None:
    """Draw the way of each chunk as a stack of its stages, and all of them along a time line."""
    figure = Figure(figsize=(9.6, 6.4), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    found = [stage for stage in stages(chunks)[:-1] if stage.seconds]
    top, bottom = figure.subplots(2, 1, height_ratios=(3, 2))
    colors = [f'C{index}' for index in range(len(found))]
    _draw_stacks(top, chunks, found, colors)
    _draw_line(bottom, found, colors)
    figure.savefig(file)


def _draw_stacks(
    axes: Axes, chunks: Sequence[Times], found: Sequence[Stage], colors: Sequence[str]
) -> None:
    index, bottom = np.arange(len(chunks)), np.zeros(len(chunks))
    for stage, color in zip(found, colors, strict=True):
        heights = np.array([_duration_ms(times, stage) for times in chunks])
        axes.bar(index, heights, 1.0, bottom, color=color, label=f'{stage.begin} → {stage.end}')
        bottom += heights
    axes.set(xlabel='chunk', ylabel='time since the exposure [ms]', xlim=(-0.5, len(chunks) - 0.5))
    axes.grid(axis='y', alpha=0.3)
    axes.legend(fontsize=7, loc='upper left', bbox_to_anchor=(1.0, 1.0), frameon=False)


def _draw_line(axes: Axes, found: Sequence[Stage], colors: Sequence[str]) -> None:
    """Draw the stages one after the other: a bar to the median, a line to the 95th percentile."""
    start = 0.0
    for row, (stage, color) in enumerate(zip(found, colors, strict=True)):
        p50, p95, _ = 1e3 * np.array(stage.percentiles())
        axes.barh(row, p50, left=start, color=color)
        axes.hlines(row, start + p50, start + p95, color=color, linewidth=1.5)
        axes.text(start + p95, row, f'  {p50:.1f}, p95 {p95:.1f} ms', va='center', fontsize=7)
        start += p50
    axes.set_yticks(range(len(found)), [stage.end for stage in found], fontsize=7)
    axes.invert_yaxis()
    axes.set(xlabel='time since the exposure, each stage from the median of those before it [ms]')
    axes.margins(x=0.25)
    axes.grid(axis='x', alpha=0.3)


def _duration_ms(times: Times, stage: Stage) -> float:
    if stage.begin not in times or stage.end not in times:
        return 0.0
    return max(times[stage.end] - times[stage.begin], 0) / MS


def _entry(stage: Stage) -> dict[str, Any]:
    values = stage.percentiles() or (None,) * 3
    named = {
        f'{name}_ms': None if value is None else round(1e3 * value, 3)
        for name, value in zip(_COLUMNS, values, strict=True)
    }
    return {'from': stage.begin, 'to': stage.end, 'chunks': len(stage.seconds), **named}


def _clock(chunks: Sequence[Times]) -> str:
    step_ns = clock_step_ns(chunks)
    return f'simulated time in steps of {step_ns / MS:g} ms' if step_ns else "the system's clock"


def _contradictions(found: Sequence[Stage]) -> Iterator[str]:
    for stage in found:
        if stage.behind:
            yield (
                f'the clock of "{stage.end}" is at least {1e3 * stage.behind:.1f} ms behind that '
                f'of "{stage.begin}": synchronize them; times across them are not computed'
            )
