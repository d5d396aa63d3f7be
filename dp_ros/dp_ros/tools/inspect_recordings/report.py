# SPDX-License-Identifier: Apache-2.0
"""Output of `inspect`: tables of streams and episodes, a line per finding, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dp_ros.data.inspection.figures import EpisodeFigures
from dp_ros.data.inspection.findings import Finding, Verdict, by_kind
from dp_ros.data.windows.window import label
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

_COLOURS: Final = {
    Verdict.OK: 'green',
    Verdict.LOOK: 'yellow',
    Verdict.NOT_TRAINABLE: 'red',
}
_SHOWN: Final = 20
_NAMED: Final = 3


def print_report(
    episodes: Sequence[EpisodeFigures],
    findings: Sequence[Finding],
    verdict: Verdict,
    console: Console,
) -> None:
    """Print everything, the verdict last."""
    read = [episode for episode in episodes if episode.streams]
    if read:
        console.print(stream_table(read))
    console.print(episode_table(episodes, findings))
    for group in by_kind(findings):
        console.print(told(group), soft_wrap=True)
    unchecked = [episode.name for episode in read if not episode.has_checksums]
    if unchecked:
        console.print(
            f'{_listed(unchecked)}: without checksums, as sqlite3 and some writers of MCAP leave '
            'them: damage in them may go unnoticed',
            soft_wrap=True,
        )
    console.print(
        f'{verdict.value}: {total(episodes)}',
        style=_COLOURS[verdict],
        highlight=False,
        soft_wrap=True,
    )


def told(group: Sequence[Finding]) -> Text:
    """Return findings of one kind as a line: where, what, what training does, what to do."""
    worst = group[0]
    where = f'{worst.episode}: ' if worst.episode else ''
    others = [finding.episode for finding in group[1:]]
    more = f' (also {_listed(others)})' if others else ''
    what = Text(f'{where}{worst.what}{more}', style='red' if worst.fatal else 'yellow')
    parts = [part for part in (worst.training, worst.advice) if part]
    return what.append(''.join(f'. {part[0].upper()}{part[1:]}' for part in parts), 'default')


def total(episodes: Sequence[EpisodeFigures]) -> str:
    """Return a line about the data that training would get."""
    used = [episode for episode in episodes if not episode.skipped]
    return (
        f'{len(used)} of {len(episodes)} episodes, {sum(e.windows for e in used)} windows, '
        f'{sum(e.duration for e in used):.0f} s, '
        f'{sum(e.size_bytes for e in episodes) / 1e6:.0f} MB on disk, '
        f'{sum(e.image_bytes for e in used) / 1e6:.0f} MB of images in training'
    )


def stream_table(read: Sequence[EpisodeFigures]) -> Table:
    """Make the table of the streams over all episodes that were read."""
    table = Table(title='streams', box=SIMPLE)
    table.add_column('', no_wrap=True)
    for column in ('messages', 'rate [Hz]', 'gap [s]', 'dropped', 'disorder', 'latency [ms]'):
        table.add_column(column, justify='right')
    for stream in read[0].streams:
        all_figures = [episode.streams[stream] for episode in read]
        latencies = [figures.latency[0] for figures in all_figures if figures.latency]
        table.add_row(
            label(stream),
            str(sum(figures.messages for figures in all_figures)),
            _range([figures.rate for figures in all_figures]),
            f'{max(figures.largest_gap.value for figures in all_figures):.2f}',
            str(sum(figures.dropped for figures in all_figures)),
            str(sum(figures.disorder for figures in all_figures)),
            f'{np.median(latencies) * 1e3:.0f}' if latencies else 'other clock',
        )
    return table


def episode_table(episodes: Sequence[EpisodeFigures], findings: Sequence[Finding]) -> Table:
    """Make the table of the episodes; where there are many, of those with findings."""
    counts = {e.name: sum(found.episode == e.name for found in findings) for e in episodes}
    shown = [e for e in episodes if len(episodes) <= _SHOWN or counts[e.name]]
    rest = len(episodes) - len(shown[:_SHOWN])
    table = Table(title='episodes', box=SIMPLE, caption=f'and {rest} more' if rest else None)
    table.add_column('', no_wrap=True)
    for column in ('duration [s]', 'windows', 'joints [rad]', 'TCP [m]', 'success', 'findings'):
        table.add_column(column, justify='right')
    for episode in shown[:_SHOWN]:
        joints = episode.joints
        table.add_row(
            episode.name,
            f'{episode.duration:.2f}',
            str(episode.windows),
            f'{joints.path:.2f}' if joints else '',
            f'{joints.tcp_path:.2f}' if joints and joints.tcp_path is not None else '',
            episode.info.get('succeeded', ''),
            str(counts[episode.name] or ''),
            style='red' if episode.skipped else None,
        )
    return table


def _range(values: Sequence[float]) -> str:
    """Return the median as a text, with the ends where they differ."""
    low, high = f'{min(values):.4g}', f'{max(values):.4g}'
    return low if low == high else f'{np.median(values):.4g} ({low}–{high})'


def _listed(names: Sequence[str]) -> str:
    more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
    return ', '.join(names[:_NAMED]) + more
