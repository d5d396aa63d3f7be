# SPDX-License-Identifier: Apache-2.0
"""What the page says, as HTML; everything that came from a topic is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
import math
from typing import Final

from dp_ros.nodes.view.ledger import Stage
from dp_ros.nodes.view.score import Row

GREEN: Final = '#2b8a3e'
AMBER: Final = '#e67700'
RED: Final = '#c92a2a'
GREY: Final = '#5c677d'
BLUE: Final = '#1864ab'
STATES: Final = {
    0: ('Waiting', GREY),
    1: ('Running', GREEN),
    2: ('Braking', AMBER),
    3: ('Paused', BLUE),
    4: ('Stopped', RED),
    5: ('Held', RED),
    6: ('Dry run', BLUE),
}
LEVELS: Final = {0: ('ok', GREEN), 1: ('warning', AMBER), 2: ('error', RED), 3: ('stale', GREY)}
_PALETTE: Final = (
    '#4dabf7',
    '#ced4da',
    '#1971c2',
    '#adb5bd',
    '#63e6be',
    '#2f9e44',
    '#ffd43b',
    '#e8590c',
)
STYLE: Final = """<style>
button[style*="red-filled"], button[style*="#e03131"] {height: 3.4rem !important;
  font-size: 1.15rem !important; letter-spacing: .04em}
.dp {font: 13px/1.4 system-ui, sans-serif; padding: 2px 10px}
.dp table {border-collapse: collapse; width: 100%} .dp td, .dp th {padding: 1px 6px 1px 0;
  text-align: right; font-weight: 400; white-space: nowrap} .dp td:first-child, .dp th:first-child
  {text-align: left; white-space: normal} .dp th {opacity: .65}
.dp .badge {color: #fff; border-radius: 5px; padding: 2px 10px; font-weight: 700; font-size: 14px}
.dp .dim {opacity: .65} .dp .key {display: inline-block; width: 14px; height: 4px;
  border-radius: 2px; margin: 0 5px 3px 0}
.dp .bar {display: flex; height: 14px; border-radius: 4px; overflow: hidden; margin: 3px 0}
</style>"""


def page(html: str) -> str:
    """Return a part of the page in its font."""
    return f'<div class="dp">{html}</div>'


def state_card(
    state: int | None, reason: str, inhibited_by: Sequence[str], policy: str, figures: str
) -> str:
    """Return the first thing to read: may the arm move, why not, by which policy."""
    name, colour = STATES.get(state if state is not None else -1, ('No executor', GREY))
    held = f' <span class="dim">held by {escape(", ".join(inhibited_by))}</span>'
    return page(
        f'<div style="margin:4px 0"><span class="badge" style="background:{colour}">{name}</span>'
        f'{held if inhibited_by else ""}</div>'
        f'<div>{escape(reason)}</div>'
        f'<div class="dim">{escape(policy)}{" · " if policy and figures else ""}{escape(figures)}'
        '</div>'
    )


def notes(lines: Iterable[tuple[str, str]]) -> str:
    """Return lines of (colour, text)."""
    return page(
        ''.join(
            f'<div><span class="key" style="background:{colour}"></span>{escape(text)}</div>'
            for colour, text in lines
        )
    )


def legend(entries: Iterable[tuple[tuple[int, int, int], str]]) -> str:
    """Return what the colours mean, in two columns."""
    return page(
        '<div style="display:grid;grid-template-columns:1fr 1fr">'
        + ''.join(
            f'<div><span class="key" style="background:rgb{colour}"></span>{escape(text)}</div>'
            for colour, text in entries
        )
        + '</div>'
    )


def score_table(rows: Sequence[Row]) -> str:
    """Return the score board."""
    if not rows:
        return page('<span class="dim">no episode has ended yet</span>')
    head = '<tr><th>policy</th><th>left</th><th>right</th><th>collided</th><th>success</th></tr>'
    body = ''.join(
        f'<tr><td>{escape(row.policy)}</td><td>{row.left}</td><td>{row.right}</td>'
        f'<td style="color:{RED if row.collided else "inherit"}">{row.collided}</td>'
        f'<td>{row.reached} of {row.total}</td></tr>'
        for row in rows
    )
    return page(f'<table>{head}{body}</table>')


def ledger_bar(stages: Sequence[Stage]) -> str:
    """Return the parts of the time from the observation to the motion, as a bar and a table."""
    total = sum(stage.milliseconds for stage in stages)
    if not stages or total <= 0.0:
        return page('<span class="dim">no chunk with times yet</span>')
    colours = [_PALETTE[index % len(_PALETTE)] for index in range(len(stages))]
    bar = ''.join(
        f'<div style="width:{100 * stage.milliseconds / total:.2f}%;background:{colour}"></div>'
        for stage, colour in zip(stages, colours, strict=True)
    )
    rows = ''.join(
        f'<tr><td><span class="key" style="background:{colour}"></span>{escape(stage.name)}</td>'
        f'<td>{stage.milliseconds:.1f} ms</td></tr>'
        for stage, colour in zip(stages, colours, strict=True)
    )
    last = f'<tr><td>sum</td><td>{total:.0f} ms</td></tr>'
    return page(f'<div class="bar">{bar}</div><table>{rows}{last}</table>')


def diagnostics_table(reports: Sequence[tuple[str, int, str]]) -> str:
    """Return (name, level, message) of every node that reports."""
    if not reports:
        return page('<span class="dim">nothing on /diagnostics yet</span>')
    lines = []
    for name, level, message in sorted(reports):
        word, colour = LEVELS.get(level, LEVELS[3])
        lines.append(
            f'<div><span class="key" style="background:{colour}" title="{word}"></span>'
            f'<b>{escape(name)}</b> {escape(message)}</div>'
        )
    return page(''.join(lines))


def recorder_card(message: str, values: Mapping[str, str]) -> str:
    """Return what the recorder of demonstrations reports of itself."""
    counts = ' · '.join(filter(None, (values.get('episodes'), values.get('directory'))))
    open_episode = values.get('open', '')
    state = f'recording {open_episode}' if open_episode else message
    colour = RED if open_episode else GREY
    missing = values.get('missing', '')
    return page(
        f'<div><span class="badge" style="background:{colour}">{escape(state)}</span></div>'
        f'<div>{escape(missing)}</div><div class="dim">{escape(counts)}</div>'
    )


def seconds(value: float) -> str:
    """Return a duration as milliseconds, or a dash where it is not known."""
    return f'{1000 * value:.0f} ms' if math.isfinite(value) else '–'
