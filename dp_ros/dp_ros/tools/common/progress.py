# SPDX-License-Identifier: Apache-2.0
"""The progress bar of the tools: steps done, steps in all, elapsed and remaining time."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def make_progress(console: Console, live: bool = False) -> Progress:
    """Make the progress bar.

    :param live: whether to show the newest figures behind it: each task's field ``live``.
    """
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        *([TextColumn('{task.fields[live]}')] if live else []),
        console=console,
    )
