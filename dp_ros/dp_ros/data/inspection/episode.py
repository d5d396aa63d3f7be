# SPDX-License-Identifier: Apache-2.0
"""Measure recorded episodes, one after the other.

Reading and cutting into windows is done by `read_bag` and the data set's code, so the figures
describe what training sees. The checks say what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from dp_ros.data.bags.bag import BagTopics, EpisodeRecording, read_bag
from dp_ros.data.bags.storage import BagError, bag_size
from dp_ros.data.datasets.dataset import DatasetError, first_motion, training_windows
from dp_ros.data.inspection.figures import EpisodeFigures
from dp_ros.data.inspection.joints import joint_series, measure_commands, measure_joints
from dp_ros.data.inspection.streams import measure_images, measure_stream, span, streams
from dp_ros.data.windows.window import ActionSpec, WindowSpec
from dp_ros.robot.units import NS


def inspect_bags(
    folder: Path, bags: Iterable[Path], spec: WindowSpec, topics: BagTopics, actions: ActionSpec
) -> Iterator[tuple[EpisodeFigures, EpisodeRecording | None]]:
    """Yield the figures and the recording of each bag; None for one that cannot be read.

    :param folder: folder of the bags; an episode's name is its path from there.
    """
    for bag in bags:
        name = str(bag.relative_to(folder)) if bag != folder else bag.resolve().name
        try:
            recording = read_bag(bag, spec, topics)
        except BagError as error:
            yield EpisodeFigures(name, bag_size(bag), _reason(error, bag)), None
        else:
            yield measure(recording, name, actions), recording


def measure(recording: EpisodeRecording, name: str, actions: ActionSpec) -> EpisodeFigures:
    """Return the figures of an episode."""
    builder = recording.builder
    begin, end = span(recording)
    windows, skipped, no_window = _windows(recording, actions)
    motion = joint_series(recording)
    return EpisodeFigures(
        name,
        bag_size(recording.path),
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
        recording.cut,
        _idle(recording, actions),
    )


def _idle(recording: EpisodeRecording, actions: ActionSpec) -> int:
    """Return the number of sets of images that training leaves out as before the motion."""
    if not actions.trim_idle:
        return 0
    begin_ns = first_motion(recording) - recording.builder.spec.dt_ns
    return sum(stamp_ns < begin_ns for stamp_ns in recording.stamps_ns)


def _windows(
    recording: EpisodeRecording, actions: ActionSpec
) -> tuple[int, str, Mapping[str, int]]:
    """Return the number of windows, why the episode is left out, and reasons for lost ones."""
    counted = replace(recording, refused={})
    try:
        windows = len(training_windows(counted, actions).state)
    except DatasetError as error:
        return 0, _reason(error, recording.path), counted.refused
    return windows, '', counted.refused


def _reason(error: Exception, bag: Path) -> str:
    return str(error).removeprefix(f'{bag}: ')
