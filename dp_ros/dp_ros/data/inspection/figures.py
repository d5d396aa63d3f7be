# SPDX-License-Identifier: Apache-2.0
"""The figures of a recorded episode: what `episode` measures and the checks judge.

Times are seconds, counted from the episode's first sample; positions are radians, of fingers
metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from dp_ros.arrays import Array


@dataclass(frozen=True)
class Extreme:
    """The largest of something, when it was, and of which joint."""

    value: float = 0.0
    at: float = 0.0
    joint: str = ''


@dataclass(frozen=True)
class StreamFigures:
    """One stream of an episode.

    :param messages: all that were recorded; the others are of the samples that were taken.
    :param rate: one over the median period [Hz].
    :param largest_gap: time without a sample, to the episode's ends as well.
    :param dropped: messages that the median period lets expect and that are not there.
    :param disorder: messages with a stamp that is not newer than all before.
    :param jitter: 95th percentile of how far periods without a dropped message are from the
        median one.
    :param latency: from stamp to receipt, median and 95th percentile; None: not of one clock.
    """

    messages: int
    rate: float
    largest_gap: Extreme
    dropped: int
    disorder: int
    jitter: float
    latency: tuple[float, float] | None


@dataclass(frozen=True)
class ImageFigures:
    """The images of one camera.

    :param black: images with nothing on them, the first one at ``black_at``.
    :param frozen: images equal to the one before although the joints moved meanwhile.
    :param longest_freeze: how long one image stayed so.
    :param to_joints: largest time from an image to the nearest joint state.
    """

    black: int
    black_at: float
    frozen: int
    longest_freeze: Extreme
    to_joints: float


@dataclass(frozen=True)
class JointFigures:
    """How the joints moved; tuples are (J,).

    :param margin: least distance from a limit of the FR3; None for a joint of something else.
    :param speed: the highest, between positions 20 ms apart.
    :param jumps: steps between two joint states that no FR3 can make.
    :param path: length of the way in joint space; ``tcp_path``: of the FR3's TCP [m].
    :param still_start: how long no joint moves at the start; ``still_end``: at the end.
    """

    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    margin: tuple[float | None, ...]
    speed: tuple[float, ...]
    jumps: int
    largest_jump: Extreme
    path: float
    tcp_path: float | None
    still_start: float
    still_end: float


@dataclass(frozen=True)
class CommandFigures:
    """What was commanded, against what was measured.

    :param rejected: how many the controller refuses, by reason.
    :param error: largest distance of command and measurement; ``rms``: of all joints and times.
    """

    trajectories: int
    rejected: Mapping[str, int]
    error: Extreme = field(default_factory=Extreme)
    rms: float = 0.0


@dataclass(frozen=True)
class JointSeries:
    """The joints at 50 Hz.

    :param times: (n,); ``positions``: (n, J) measured.
    :param commands: (n, J), the measured positions before the first; None where there is none.
    :param tcp: (n, 3) [m], or None where it is no FR3.
    """

    times: Array
    positions: Array
    commands: Array | None
    tcp: Array | None


@dataclass(frozen=True)
class EpisodeFigures:
    """One episode.

    :param skipped: why training leaves it out, empty where it does not.
    :param info: what the recorder noted.
    :param windows: that training cuts of it, of so many ``sets`` of images.
    :param no_window: why others give none, and how many each; those too near the end not among
        them.
    :param refused: how many messages are not taken, by reason.
    :param image_bytes: memory that its images need in training.
    :param motion: for pictures; not part of ``summary``.
    :param has_checksums: whether damage in its messages would have been noticed.
    """

    name: str
    size_bytes: int
    skipped: str = ''
    info: Mapping[str, str] = field(default_factory=dict)
    duration: float = 0.0
    windows: int = 0
    sets: int = 0
    no_window: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    image_bytes: int = 0
    joint_names: tuple[str, ...] = ()
    streams: Mapping[str, StreamFigures] = field(default_factory=dict)
    images: Mapping[str, ImageFigures] = field(default_factory=dict)
    joints: JointFigures | None = None
    commands: CommandFigures | None = None
    motion: JointSeries | None = None
    has_checksums: bool = True

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON holds them."""
        return {key: value for key, value in _plain(self).items() if key != 'motion'}


def _plain(value: Any) -> Any:
    if isinstance(value, JointSeries):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 6)
    if hasattr(value, '__dataclass_fields__'):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    return value
