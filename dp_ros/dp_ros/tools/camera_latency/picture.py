# SPDX-License-Identifier: Apache-2.0
"""A picture of cameras' latencies: both motions over time, and their correlation by latency."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dp_ros.arrays import Array
from dp_ros.data.inspection.camera_latency import CameraLatency
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np

_SHOWN: Final = 20.0


def draw(found: Mapping[str, CameraLatency], file: Path) -> None:
    """Draw a row for each camera."""
    figure = Figure(figsize=(9.6, 3.2 * len(found)), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(found), 2, squeeze=False, width_ratios=(2, 1))
    for (name, each), (left, right) in zip(found.items(), rows, strict=True):
        _draw_motions(left, name, each)
        _draw_correlation(right, each)
    figure.savefig(file)


def _draw_motions(axes: Axes, name: str, found: CameraLatency) -> None:
    motion = found.motion
    shown = motion.times - motion.times[0] <= _SHOWN
    times, lag = motion.times[shown], int(np.abs(found.lags - found.latency).argmin())
    none = int(np.abs(found.lags).argmin())
    axes.plot(times, _scaled(motion.of_images[shown]), 'k.-', ms=3, lw=0.8, label='images')
    for index, color, label in (
        (none, 'C1', 'joints, by the stamps'),
        (lag, 'C0', f'joints {found.latency * 1e3:.0f} ms earlier'),
    ):
        way = motion.of_joints[index, shown]
        axes.plot(times, _scaled(way), color=color, lw=1.2, label=label)
    axes.set(title=f'camera {name}', xlabel='time [s]', ylabel='motion between two images')
    axes.set_yticks([])
    axes.legend(fontsize=7, frameon=False)


def _draw_correlation(axes: Axes, found: CameraLatency) -> None:
    axes.plot(1e3 * found.lags, found.correlations, color='C0')
    axes.axvspan(1e3 * found.low, 1e3 * found.high, color='C0', alpha=0.25)
    axes.axvline(1e3 * found.latency, color='k', lw=0.8)
    axes.set(
        title=f'{1e3 * found.latency:.0f} ms ({1e3 * found.low:.0f} to {1e3 * found.high:.0f})',
        xlabel='latency [ms]',
        ylabel='correlation',
    )
    axes.grid(alpha=0.3)


def _scaled(values: Array) -> Array:
    scaled: Array = values / max(1e-9, float(values.max(initial=0.0)))
    return scaled
