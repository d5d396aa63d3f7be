# SPDX-License-Identifier: Apache-2.0
"""Figures of the joints of an episode: range, speed, jumps, and command against measurement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dp_ros.arrays import Array, Times
from dp_ros.data.bags.bag import EpisodeRecording
from dp_ros.data.datasets.dataset import MOVED, DatasetError, commanded, resample
from dp_ros.data.inspection.figures import CommandFigures, Extreme, JointFigures, JointSeries
from dp_ros.data.inspection.streams import span, stamps_of
from dp_ros.data.windows.window import JOINTS
from dp_ros.robot.kinematics import JOINT_NAMES, forward
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.units import NS
import numpy as np

_RATE: Final = 50
_MOVING: Final = 0.05  # [rad/s]
_LATER: Final = range(6)  # Samples at `_RATE`.
_STEP: Final = 0.005
"""Shortest time assumed for a step [s]: jitter of the stamps must not make it a jump."""


def fr3_limits(names: Sequence[str]) -> tuple[Array, Array, Array]:
    """Return lowest and highest position and highest speed (J,); infinite for other arms."""
    limits = np.tile([[-np.inf], [np.inf], [np.inf]], len(names))
    for column, name in enumerate(names):
        for joint, known in enumerate(JOINT_NAMES):
            if name.endswith(known):
                arrays = (FR3_LIMITS.lower, FR3_LIMITS.upper, FR3_LIMITS.velocity)
                limits[:, column] = [array[joint] for array in arrays]
    return limits[0], limits[1], limits[2]


def tcp_path(names: Sequence[str], positions: Array) -> Array | None:
    """Return the TCP's positions (n, 3) [m] when there is one FR3 among the joints."""
    columns = [
        [column for column, name in enumerate(names) if name.endswith(known)]
        for known in JOINT_NAMES
    ]
    if any(len(found) != 1 for found in columns):
        return None
    return forward(positions[:, [found[0] for found in columns]])


def received(recording: EpisodeRecording) -> list[int]:
    """Return the times at which commands of arm and gripper were received [ns]."""
    return sorted(time for time, _ in (*recording.trajectories, *recording.fingers))


def joint_series(recording: EpisodeRecording) -> JointSeries:
    """Resample measured and commanded positions."""
    joints = recording.builder.joints
    names = recording.builder.spec.joint_names
    begin, _ = span(recording)
    grid = np.arange(joints.stamps[0], joints.stamps[-1] + 1, NS // _RATE)
    positions = resample(joints.stamps, joints.samples, grid)
    commands, tcp = _commands(recording, grid), tcp_path(names, positions)
    return JointSeries((grid - begin) / NS, positions, commands, tcp)


def measure_joints(recording: EpisodeRecording, motion: JointSeries) -> JointFigures:
    """Measure where the joints were and how they moved."""
    positions = np.array(recording.builder.joints.samples)
    lowest, highest = positions.min(axis=0), positions.max(axis=0)
    lower, upper, _ = fr3_limits(recording.builder.spec.joint_names)
    margin = np.minimum(lowest - lower, upper - highest).tolist()
    speeds = np.abs(np.diff(motion.positions, axis=0)) * _RATE
    jumps = _jumps(recording, positions)
    return JointFigures(
        tuple(lowest.tolist()),
        tuple(highest.tolist()),
        tuple(value if np.isfinite(value) else None for value in margin),
        tuple(speeds.max(axis=0, initial=0.0).tolist()),
        len(jumps),
        max(jumps, key=lambda jump: jump.value, default=Extreme()),
        _length(motion.positions),
        None if motion.tcp is None else _length(motion.tcp),
        _still(motion.positions),
        _still(motion.positions[::-1]),
    )


def measure_commands(recording: EpisodeRecording, motion: JointSeries) -> CommandFigures | None:
    """Measure how the arm followed its commands, and what the controller refused."""
    count, rejected = len(received(recording)), recording.rejected
    if motion.commands is None:
        return CommandFigures(count, rejected) if count else None
    errors = np.abs(motion.commands - motion.positions)
    row, joint = divmod(int(errors.argmax()), errors.shape[1])
    name = recording.builder.spec.joint_names[joint]
    worst = Extreme(float(errors[row, joint]), float(motion.times[row]), name)
    ahead = _ahead(motion.commands, motion.positions)
    return CommandFigures(count, rejected, worst, float(np.sqrt((errors**2).mean())), ahead)


def _ahead(commands: Array, positions: Array) -> float | None:
    """Return the median distance [rad] of commands from the positions `_LATER` samples later.

    Of all `_LATER`, the smallest; only where the arm moves; None: it rests.
    """
    distances = []
    for later in _LATER:
        now, then = commands[: len(commands) - later], positions[later:]
        moves = np.abs(np.diff(then, axis=0)).max(axis=1, initial=0.0) * _RATE > _MOVING
        if moves.any():
            distances.append(float(np.median(np.abs(now - then)[1:][moves].max(axis=1))))
    return min(distances, default=None)


def _commands(recording: EpisodeRecording, grid: Times) -> Array | None:
    try:
        return commanded(recording, grid) if received(recording) else None
    except DatasetError:  # None can be followed; the rejected ones are counted.
        return None


def _jumps(recording: EpisodeRecording, positions: Array) -> list[Extreme]:
    """Return the steps that are faster than an FR3's joints, each with its largest joint."""
    names = recording.builder.spec.joint_names
    begin, _ = span(recording)
    times = (stamps_of(recording, JOINTS) - begin) / NS
    fastest = fr3_limits(names)[2]
    steps = np.abs(np.diff(positions, axis=0))
    impossible = steps > fastest * np.maximum(np.diff(times), _STEP)[:, None]
    rows = np.flatnonzero(impossible.any(axis=1))
    joints = np.where(impossible, steps, 0.0)[rows].argmax(axis=1)
    return [
        Extreme(float(steps[row, joint]), float(times[row + 1]), names[joint])
        for row, joint in zip(rows, joints, strict=True)
    ]


def _length(path: Array) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _still(positions: Array) -> float:
    """Return the time before the first motion [s]."""
    left = np.abs(positions - positions[0]).max(axis=1) > MOVED
    return (int(left.argmax()) if left.any() else len(left)) / _RATE
