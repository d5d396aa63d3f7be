# SPDX-License-Identifier: Apache-2.0
"""The pictures of `inspect`: one per episode, and one of all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
import textwrap
from typing import Final

from dp_ros.data.bags.bag import EpisodeRecording
from dp_ros.data.inspection.figures import EpisodeFigures, Extreme, JointSeries
from dp_ros.data.inspection.findings import Finding
from dp_ros.data.inspection.joints import fr3_limits, received
from dp_ros.data.inspection.set_checks import joint_ranges
from dp_ros.data.inspection.streams import (
    allowed_silence,
    silences,
    span,
    stamps_of,
    streams,
)
from dp_ros.data.windows.window import JOINTS, label
from dp_ros.robot.units import NS
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
import numpy as np

_GAP: Final = '#c1121f'
_USED: Final = '#2a6fdb'
_N_FRAMES: Final = 6
_N_BINS: Final = 100


def draw_episode(
    recording: EpisodeRecording, episode: EpisodeFigures, findings: Sequence[Finding], file: Path
) -> None:
    """Draw the images, the times of the messages, and the joint positions of an episode."""
    assert episode.motion is not None
    cameras = tuple(recording.builder.images)
    aspect = [_aspect(recording, camera) for camera in cameras]
    heights = [10.0 * ratio + 0.2 for ratio in aspect]
    heights += [0.5 + 0.2 * (1 + len(cameras)), 3.2, 1.8]
    figure = Figure(figsize=(11, sum(heights) + 1), dpi=90, layout='constrained')
    FigureCanvasAgg(figure)
    figure.suptitle(_title(episode, findings), fontsize=10, ha='left', x=0.01)
    rows = figure.subplots(len(heights), 1, height_ratios=heights)
    for axes, camera in zip(rows, cameras, strict=False):
        _draw_film(axes, recording, camera)
    timeline, positions, speeds = rows[len(cameras) :]
    gaps = {stream: _gaps(recording, stream) for stream in streams(recording.builder.spec)}
    motion = _without(gaps[JOINTS], episode.motion)
    _draw_messages(timeline, recording, gaps)
    _draw_positions(positions, motion, episode.joint_names)
    _draw_speeds(speeds, motion, episode.joint_names)
    begin, end = span(recording)
    for axes in (timeline, positions, speeds):
        axes.set_xlim(0, (end - begin) / NS)
    for axes in (positions, speeds):
        _mark(axes, [gap for found in gaps.values() for gap in found])
    speeds.set_xlabel('time [s]')
    figure.savefig(file)


def draw_overview(
    episodes: Sequence[EpisodeFigures], findings: Sequence[Finding], file: Path
) -> None:
    """Draw durations, rates, joint ranges and paths of all episodes that were read."""
    read = [episode for episode in episodes if episode.motion is not None]
    if not read:
        return
    figure = Figure(figsize=(12, 8.5), dpi=100, layout='constrained')
    FigureCanvasAgg(figure)
    (durations, paths), (rates, ranges) = figure.subplots(2, 2)
    marked = {finding.episode for finding in findings}
    _draw_durations(durations, read, marked)
    _draw_rates(rates, read)
    _draw_ranges(ranges, read)
    _draw_paths(paths, read, marked)
    figure.savefig(file)


def _title(episode: EpisodeFigures, findings: Sequence[Finding]) -> str:
    mark = episode.info.get('succeeded', '')
    said = {'true': ', success', 'false': ', failure'}.get(mark, '')
    task = f', {episode.info["task"]}' if episode.info.get('task') else ''
    head = f'{episode.name}{task}{said}: {episode.duration:.2f} s, {episode.windows} windows'
    lines = [textwrap.shorten(finding.what, 150) for finding in findings]
    return '\n'.join([head, *lines])


def _aspect(recording: EpisodeRecording, camera: str) -> float:
    """Return height over width of a camera's film strip."""
    height, width = recording.builder.spec.image_sizes[camera]
    return height / (width * _N_FRAMES)


def _draw_film(axes: Axes, recording: EpisodeRecording, camera: str) -> None:
    """Draw frames at even times, the first and the last among them, each under its time."""
    begin, _ = span(recording)
    stamps = stamps_of(recording, camera)
    samples = recording.builder.images[camera].samples
    height, width = samples[0].shape[:2]
    wanted = np.linspace(stamps[0], stamps[-1], _N_FRAMES)
    chosen = [int(np.abs(stamps - time).argmin()) for time in wanted]
    for place, index in enumerate(chosen):
        left = place * 1.02 * width
        axes.imshow(samples[index], extent=(left, left + width, height, 0))
        time = (stamps[index] - begin) / NS
        axes.text(left + width / 2, -0.03 * height, f'{time:.2f} s', ha='center', fontsize=8)
    axes.set(xlim=(0, (1.02 * _N_FRAMES - 0.02) * width), ylim=(height, 0))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_ylabel(label(camera))
    axes.set_frame_on(False)


def _draw_messages(
    axes: Axes, recording: EpisodeRecording, gaps: Mapping[str, Sequence[Extreme]]
) -> None:
    """Draw a mark for each sample that was taken, and the gaps."""
    begin, _ = span(recording)
    names = streams(recording.builder.spec)
    for row, stream in enumerate(names):
        times = (stamps_of(recording, stream) - begin) / NS
        axes.vlines(times, row - 0.35, row + 0.35, color='0.25', linewidth=0.6)
        height = 1 / (len(names) + 1)
        _mark(axes, gaps[stream], 1 - (row + 1) * height, 1 - row * height)
    commands = [(time - begin) / NS for time in received(recording)]
    axes.vlines(commands, len(names) - 0.35, len(names) + 0.35, color=_USED, linewidth=0.8)
    axes.set_yticks(range(len(names) + 1), [*(label(name) for name in names), 'commands'])
    axes.set_ylim(len(names) + 0.5, -0.5)
    axes.tick_params(labelbottom=False)


def _mark(axes: Axes, gaps: Sequence[Extreme], bottom: float = 0.0, top: float = 1.0) -> None:
    """Shade gaps; ``bottom`` and ``top`` are shares of the axes' height."""
    for gap in gaps:
        end = gap.at + gap.value
        axes.axvspan(gap.at, end, bottom, top, color=_GAP, alpha=0.2, linewidth=0)


def _gaps(recording: EpisodeRecording, stream: str) -> list[Extreme]:
    allowed = allowed_silence(recording.builder.spec, stream)
    return [silence for silence in silences(recording, stream) if silence.value > allowed]


def _without(gaps: Sequence[Extreme], motion: JointSeries) -> JointSeries:
    """Leave out samples that are only interpolated across gaps."""
    positions = motion.positions.copy()
    for gap in gaps:
        inside = (motion.times > gap.at) & (motion.times < gap.at + gap.value)
        positions[inside] = np.nan
    return replace(motion, positions=positions)


def _draw_positions(axes: Axes, motion: JointSeries, names: Sequence[str]) -> None:
    """Draw each joint's distance from its start, with commands dashed; fingers apart."""
    of_arm = _of_arm(names)
    beside = axes if all(of_arm) else axes.twinx()
    beside.set_ylabel('' if all(of_arm) else 'fingers [m]')
    lines = []
    for column, name in enumerate(names):
        panel = axes if of_arm[column] else beside
        start, colour = motion.positions[0, column], f'C{column}'
        positions = motion.positions[:, column] - start
        lines += panel.plot(motion.times, positions, color=colour, label=name)
        if motion.commands is not None:
            commands = motion.commands[:, column] - start
            panel.plot(motion.times, commands, '--', color=colour, lw=3, alpha=0.4)
    axes.set_ylabel('from the start [rad]\ncommands dashed')
    axes.tick_params(labelbottom=False)
    place = (0.5, 0.99)  # Above the axes.
    axes.legend(
        handles=lines, loc='lower center', bbox_to_anchor=place, ncols=8, fontsize=8, frameon=False
    )
    axes.grid(alpha=0.25)


def _draw_speeds(axes: Axes, motion: JointSeries, names: Sequence[str]) -> None:
    """Draw the speeds of the arm; those of an FR3 as shares of its limits."""
    fastest = fr3_limits(names)[2]
    scale = np.where(np.isfinite(fastest), fastest, 1.0)
    speeds = np.diff(motion.positions, axis=0) / np.diff(motion.times)[:, None] / scale
    for column in np.flatnonzero(_of_arm(names)):
        axes.plot(motion.times[1:], speeds[:, column], color=f'C{column}', linewidth=1)
    axes.set_ylabel('speed\nof the limit')
    axes.grid(alpha=0.25)


def _of_arm(names: Sequence[str]) -> list[bool]:
    """Tell which joints are those of the arm: the FR3's, or all of another arm."""
    known = np.isfinite(fr3_limits(names)[2]).tolist()
    return known if any(known) else [True] * len(names)


def _draw_durations(
    axes: Axes, episodes: Sequence[EpisodeFigures], marked: Collection[str]
) -> None:
    durations = [episode.duration for episode in episodes]
    colours = [_colour(episode, marked) for episode in episodes]
    axes.bar(range(len(episodes)), durations, width=1.0, color=colours)
    axes.axhline(float(np.median(durations)), color='0.3', linestyle='--', linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel='episode', ylabel='duration [s], median dashed')
    axes.set_title('durations; red: episodes with findings', fontsize=10)


def _draw_rates(axes: Axes, episodes: Sequence[EpisodeFigures]) -> None:
    for stream in episodes[0].streams:
        rates = [episode.streams[stream].rate or np.nan for episode in episodes]
        axes.plot(range(len(episodes)), rates, '.', label=label(stream))
    axes.set(xlabel='episode', ylabel='rate [Hz]', yscale='log')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title('rates', fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _draw_ranges(axes: Axes, episodes: Sequence[EpisodeFigures]) -> None:
    """Draw the share of time that the joints spend at each place between their limits."""
    names = episodes[0].joint_names
    lower, upper, _ = fr3_limits(names)
    seen = np.array(list(joint_ranges(episodes).values()))
    low = np.where(np.isfinite(lower), lower, seen[:, 0] - 1e-3)
    high = np.where(np.isfinite(upper), upper, seen[:, 1] + 1e-3)
    positions = np.concatenate([e.motion.positions for e in episodes if e.motion is not None])
    shares = np.array(
        [
            np.histogram(positions[:, column], _N_BINS, (low[column], high[column]))[0]
            for column in range(len(names))
        ]
    ) / len(positions)
    image = axes.imshow(
        np.where(shares > 0, shares, np.nan),
        aspect='auto',
        extent=(0, 1, len(names) - 0.5, -0.5),
        norm=LogNorm(vmin=1e-4, vmax=1),
        interpolation='nearest',
    )
    axes.set_yticks(
        range(len(names)),
        [f'{name}\n{a:.2f} … {b:.2f}' for name, (a, b) in zip(names, seen, strict=True)],
        fontsize=8,
    )
    axes.set_xticks([0, 1], ['lower limit', 'upper limit'])
    axes.hlines(np.arange(len(names) - 1) + 0.5, 0, 1, color='0.8', linewidth=0.5)
    axes.set_title('where the joints are', fontsize=10)
    axes.figure.colorbar(image, ax=axes, label='share of the time')


def _draw_paths(axes: Axes, episodes: Sequence[EpisodeFigures], marked: Collection[str]) -> None:
    """Draw the TCP's paths from above; for other arms the paths of the first two joints."""
    for episode in sorted(episodes, key=lambda episode: episode.name in marked):
        assert episode.motion is not None
        tcp = episode.motion.tcp
        way = episode.motion.positions[:, 1::-1] if tcp is None else tcp[:, 1::-1]
        colour = _colour(episode, marked)
        axes.plot(way[:, 0], way[:, -1], color=colour, linewidth=0.8, alpha=0.6)
        axes.plot(way[0, 0], way[0, -1], 'o', color='black', markersize=3)
        axes.plot(way[-1, 0], way[-1, -1], 's', color=colour, markersize=3)
    if tcp is not None:
        axes.set(xlabel='left [m]', ylabel='forward [m]', aspect='equal')
        axes.invert_xaxis()
    axes.set_title('TCP from above, from the dots to the squares', fontsize=10)
    axes.grid(alpha=0.25)


def _colour(episode: EpisodeFigures, marked: Collection[str]) -> str:
    return _GAP if episode.name in marked else _USED
