# SPDX-License-Identifier: Apache-2.0
"""Figures of a recorded episode: `episode` measures them, the checks judge them.

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
    """The largest value of something, its time, and its joint."""

    value: float = 0.0
    at: float = 0.0
    joint: str = ''


@dataclass(frozen=True)
class StreamFigures:
    """Figures of one stream of an episode.

    :param messages: number of recorded messages; other figures are of samples that were taken.
    :param rate: inverse of the median period [Hz].
    :param largest_gap: longest time without a sample, also at the episode's ends.
    :param dropped: number of messages missing, by the median period.
    :param disorder: number of messages with a stamp that is not newer than all before.
    :param jitter: 95th percentile of the difference between a period and the median one; periods
        with a dropped message are left out.
    :param latency: time from stamp to reception, median and 95th percentile; None: stamp and
        reception are of different clocks.
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
    """Figures of the images of one camera.

    :param black: number of black images; ``black_at``: time of the first one.
    :param frozen: number of images equal to the one before although a joint moved meanwhile.
    :param longest_freeze: longest time for which an image stayed the same.
    :param to_joints: largest time from an image to the nearest joint state.
    """

    black: int
    black_at: float
    frozen: int
    longest_freeze: Extreme
    to_joints: float


@dataclass(frozen=True)
class JointFigures:
    """Figures of the joints' motion; tuples are (J,).

    :param margin: smallest distance from a limit of the FR3; None for other joints.
    :param speed: highest speed between positions 20 ms apart.
    :param jumps: number of steps between two joint states that no FR3 can make.
    :param path: length of the path in joint space; ``tcp_path``: of the FR3's TCP [m].
    :param still_start: time without motion at the start; ``still_end``: at the end.
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
    """Figures of commanded positions against measured ones.

    :param rejected: numbers of trajectories that the controller rejects, by reason.
    :param error: largest difference of command and measurement; ``rms``: over joints and times.
    :param ahead: median distance of commands from the positions of some time later, up to 0.1 s,
        of the time with the smallest, while the arm moves; None: it never moves.
    """

    trajectories: int
    rejected: Mapping[str, int]
    error: Extreme = field(default_factory=Extreme)
    rms: float = 0.0
    ahead: float | None = None


@dataclass(frozen=True)
class JointSeries:
    """Series of the joints at 50 Hz.

    :param times: (n,) times; ``positions``: (n, J) measured positions.
    :param commands: (n, J) commanded positions, before the first command the measured ones;
        None: there is no command.
    :param tcp: (n, 3) positions of the TCP [m]; None: not an FR3.
    """

    times: Array
    positions: Array
    commands: Array | None
    tcp: Array | None


@dataclass(frozen=True)
class EpisodeFigures:
    """Figures of one episode.

    :param skipped: reason why training leaves it out, empty where it does not.
    :param info: notes of the recorder.
    :param windows: number of windows for training; ``sets``: number of sets of images.
    :param no_window: numbers of sets that give no window, by reason; sets too near the end are
        not counted.
    :param idle: number of sets left out as before the first motion (`trim_idle`).
    :param refused: numbers of messages that are not taken, by reason.
    :param image_bytes: memory that its images need in training [bytes].
    :param motion: series of the joints for pictures; not part of ``summary``.
    :param has_checksums: whether damage in its messages would have been noticed.
    :param cut: text that says where its file was cut off; empty where it is whole.
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
    cut: str = ''
    idle: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
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
