# SPDX-License-Identifier: Apache-2.0
"""Measure recorded episodes, one after the other.

Takes what `read_bag` took and lets the data set's own code cut the windows, so that the figures
are of what training will see. What they mean, the checks say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from dp_ros.data.bags.bag import BagError, BagTopics, EpisodeRecording, read_bag
from dp_ros.data.datasets.dataset import DatasetError, training_windows
from dp_ros.data.inspection.figures import EpisodeFigures
from dp_ros.data.inspection.joints import joint_series, measure_commands, measure_joints
from dp_ros.data.inspection.streams import measure_images, measure_stream, span, streams
from dp_ros.data.windows.window import ActionSpec, WindowSpec
from dp_ros.robot.units import NS


def inspect_bags(
    folder: Path, bags: Iterable[Path], spec: WindowSpec, topics: BagTopics, actions: ActionSpec
) -> Iterator[tuple[EpisodeFigures, EpisodeRecording | None]]:
    """Measure bag after bag, one in memory at a time; one that cannot be read has no recording.

    :param folder: where the bags are; an episode's name is its path from there.
    """
    for bag in bags:
        name = str(bag.relative_to(folder)) if bag != folder else bag.resolve().name
        try:
            recording = read_bag(bag, spec, topics)
        except BagError as error:
            yield EpisodeFigures(name, _size(bag), _reason(error, bag)), None
        else:
            yield measure(recording, name, actions), recording


def measure(recording: EpisodeRecording, name: str, actions: ActionSpec) -> EpisodeFigures:
    """Measure an episode."""
    builder = recording.builder
    begin, end = span(recording)
    windows, skipped, no_window = _windows(recording, actions)
    motion = joint_series(recording)
    return EpisodeFigures(
        name,
        _size(recording.path),
        skipped,
        recording.info,
        (end - begin) / NS,
        windows,
        len(recording.stamps_ns),
        no_window,
        recording.refused,
        sum(image.nbytes for stream in builder.images.values() for image in stream.samples),
        builder.spec.joint_names,
        {stream: measure_stream(recording, stream) for stream in streams(builder.spec)},
        {camera: measure_images(recording, camera) for camera in builder.images},
        measure_joints(recording, motion),
        measure_commands(recording, motion),
        motion,
        recording.has_checksums,
    )


def _windows(
    recording: EpisodeRecording, actions: ActionSpec
) -> tuple[int, str, Mapping[str, int]]:
    """Return how many windows training cuts, why it takes none at all, and why not more."""
    counted = replace(recording, refused={})
    try:
        windows = len(training_windows(counted, actions).state)
    except DatasetError as error:
        return 0, _reason(error, recording.path), counted.refused
    return windows, '', counted.refused


def _reason(error: Exception, bag: Path) -> str:
    return str(error).removeprefix(f'{bag}: ')


def _size(bag: Path) -> int:
    return sum(file.stat().st_size for file in bag.iterdir() if file.is_file())
