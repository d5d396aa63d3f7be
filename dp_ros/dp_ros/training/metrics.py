# SPDX-License-Identifier: Apache-2.0
"""Measurements of training: a line of JSON for each, and curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
import shutil
from typing import Any, Final

from tensorboardX import SummaryWriter

METRICS: Final = 'metrics.jsonl'
TENSORBOARD: Final = 'tensorboard'


class MetricsLog:
    """Log of the measurements of one run in ``out``."""

    def __init__(self, out: Path) -> None:
        self._file, self._curves = out / METRICS, out / TENSORBOARD
        self._writer: SummaryWriter | None = None

    def resume(self, step: int) -> None:
        """Drop measurements after ``step``; they will be made again."""
        lines = self._file.read_text().splitlines() if self._file.is_file() else []
        kept = [line for line in lines if json.loads(line)['step'] <= step]
        self._file.write_text(''.join(f'{line}\n' for line in kept))
        self._writer = SummaryWriter(
            str(self._curves), purge_step=step + 1, filename_suffix=f'.{step}'
        )

    def write(self, values: Mapping[str, Any]) -> None:
        """Add a measurement: a step, and numbers by name."""
        with self._file.open('a') as file:
            file.write(json.dumps(values) + '\n')
        if self._writer is None:
            self._writer = SummaryWriter(str(self._curves))
        for name in values.keys() - {'step'}:
            self._writer.add_scalar(name, values[name], values['step'])
        self._writer.flush()

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self._writer is not None:
            self._writer.close()


def clear_metrics(out: Path) -> None:
    """Remove measurements of another run in ``out``."""
    (out / METRICS).unlink(missing_ok=True)
    shutil.rmtree(out / TENSORBOARD, ignore_errors=True)
