# SPDX-License-Identifier: Apache-2.0
"""Figures of the streams of an episode: periods, gaps, stamps, and frozen images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from dp_ros.arrays import Array, Rgb, Times
from dp_ros.data.bags.bag import EpisodeRecording
from dp_ros.data.datasets.dataset import resample
from dp_ros.data.inspection.figures import Extreme, ImageFigures, StreamFigures
from dp_ros.data.windows.window import JOINTS, WindowSpec
from dp_ros.robot.units import NS
import numpy as np

_LONG: Final = 1.5
"""Multiple of the median period beyond which a message is missing."""
_ONE_CLOCK: Final = 60.0
"""Difference between stamp and reception beyond which they are of different clocks [s]."""
_BLACK: Final = 8.0
"""Mean value, of 255, below which an image is black."""
_MOVED: Final = 0.01
"""Distance between two images from which on a joint [rad] or a finger [m] has moved."""


def streams(spec: WindowSpec) -> tuple[str, ...]:
    """Return the names of the streams, ``joint_states`` and the cameras."""
    return (JOINTS, *spec.camera_names)


def stamps_of(recording: EpisodeRecording, stream: str) -> Times:
    """Return the times (n,) of the samples that were taken of a stream [ns]."""
    builder = recording.builder
    samples = builder.joints if stream == JOINTS else builder.images[stream]
    return np.array(samples.stamps, dtype=np.int64)


def span(recording: EpisodeRecording) -> tuple[int, int]:
    """Return the times of the first and the last sample of all streams [ns]."""
    stamps = [stamps_of(recording, stream) for stream in streams(recording.builder.spec)]
    return int(min(s[0] for s in stamps)), int(max(s[-1] for s in stamps))


def silences(recording: EpisodeRecording, stream: str) -> list[Extreme]:
    """Return the times without a sample, between samples and at the episode's ends."""
    begin, end = span(recording)
    edges = np.array([begin, *stamps_of(recording, stream), end])
    return [Extreme((b - a) / NS, (a - begin) / NS) for a, b in pairwise(edges.tolist())]


def allowed_silence(spec: WindowSpec, stream: str) -> float:
    """Return the longest time without a sample that costs no window [s]."""
    if stream == JOINTS:
        return spec.joint_gap_ns / NS
    return (spec.dt_ns + spec.tolerance_ns[stream]) / NS


def measure_stream(recording: EpisodeRecording, stream: str) -> StreamFigures:
    """Measure how regularly the messages of a stream came."""
    received, stamped = np.array(recording.arrivals[stream], dtype=np.int64).T
    periods = np.diff(stamps_of(recording, stream)) / NS
    median = float(np.median(periods)) if len(periods) else 0.0
    is_long = periods > _LONG * median
    return StreamFigures(
        len(stamped),
        1 / median if median else 0.0,
        max(silences(recording, stream), key=lambda silence: silence.value),
        int((np.round(periods[is_long] / median) - 1).sum()) if median else 0,
        int((stamped[1:] <= np.maximum.accumulate(stamped)[:-1]).sum()),
        _percentile(np.abs(periods - median)[~is_long], 95),
        _latency((received - stamped) / NS),
    )


def measure_images(recording: EpisodeRecording, camera: str) -> ImageFigures:
    """Measure what the images of a camera show."""
    begin, _ = span(recording)
    stamps = stamps_of(recording, camera)
    times = ((stamps - begin) / NS).tolist()
    samples = recording.builder.images[camera].samples
    black = [time for time, image in zip(times, samples, strict=True) if image.mean() < _BLACK]
    joints = recording.builder.joints
    freezes = list(_freezes(samples, resample(joints.stamps, joints.samples, stamps)))
    lengths = [Extreme(times[last] - times[first], times[first]) for first, last in freezes]
    return ImageFigures(
        len(black),
        black[0] if black else 0.0,
        sum(last - first for first, last in freezes),
        max(lengths, key=lambda freeze: freeze.value, default=Extreme()),
        float(_to_nearest(stamps, stamps_of(recording, JOINTS)).max()) / NS,
    )


def _freezes(samples: Sequence[Rgb], joints: Array) -> Iterator[tuple[int, int]]:
    """Yield first and last index of each run of equal images while a joint moved."""
    same = [np.array_equal(a, b) for a, b in pairwise(samples)]
    edges = np.flatnonzero(np.diff([False, *same, False])).tolist()
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if np.ptp(joints[first : last + 1], axis=0).max() > _MOVED:
            yield first, last


def _to_nearest(times: Times, stamps: Times) -> Times:
    """Return the distance of each of the times (n,) from the nearest stamp [ns]."""
    after = np.minimum(np.searchsorted(stamps, times), len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    return np.minimum(np.abs(stamps[after] - times), np.abs(times - stamps[before]))


def _latency(ages: Array) -> tuple[float, float] | None:
    median = float(np.median(ages))
    return (median, _percentile(ages, 95)) if abs(median) < _ONE_CLOCK else None


def _percentile(values: Array, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else 0.0
