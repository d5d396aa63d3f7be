# SPDX-License-Identifier: Apache-2.0
"""Read one rosbag2 as one episode, whoever recorded it.

Works without ROS: the `rosbags` library reads mcap and sqlite3 with the message definitions that
the bag carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import hashlib
from pathlib import Path
from typing import Any

from dp_ros.control.trajectory import Trajectory
from dp_ros.data.images import ImageError, decode, fit_image
from dp_ros.data.window import Refusal, WindowBuilder, WindowSpec
import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

NS = 1_000_000_000


class BagError(ValueError):
    """A bag cannot be used; the message names it and what is wrong."""


@dataclass(frozen=True)
class BagTopics:
    """Where a bag has what is needed.

    :param images: topic of each camera; ``trajectories``: what the arm was commanded.
    """

    images: Mapping[str, str]
    joint_states: str = 'joint_states'
    trajectories: str = 'fr3_arm_controller/joint_trajectory'


@dataclass
class EpisodeRecording:
    """One recorded episode.

    :param builder: holds all joint states and images, ready to build windows.
    :param trajectories: each with the time it was received, on the clock of the stamps [ns].
    :param refused: how many samples were not taken, by reason.
    """

    path: Path
    builder: WindowBuilder
    trajectories: list[tuple[int, Trajectory]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    digest: str = ''


def read_bag(path: Path, spec: WindowSpec, topics: BagTopics) -> EpisodeRecording:
    """Read a bag folder.

    :raises BagError: for a bag that is corrupt, empty, or lacks a topic.
    """
    recording = EpisodeRecording(path, WindowBuilder(spec))
    typestore = get_typestore(Stores.ROS2_JAZZY)
    try:
        with AnyReader([path], default_typestore=typestore) as reader:
            _read(reader, recording, topics)
    except (AnyReaderError, OSError, ValueError, KeyError, AssertionError) as error:
        if isinstance(error, BagError):
            raise
        raise BagError(f'{path}: cannot be read: {error}') from error
    return recording


def _read(reader: AnyReader, recording: EpisodeRecording, topics: BagTopics) -> None:
    cameras = {_find(reader, recording, topic): name for name, topic in topics.images.items()}
    joint_topic = _find(reader, recording, topics.joint_states)
    commanded = _find(reader, recording, topics.trajectories, required=False)
    wanted = {*cameras, joint_topic, commanded}
    digest = hashlib.sha256()
    received: list[tuple[int, Trajectory]] = []
    clock: list[tuple[int, int]] = []
    for connection, bag_ns, raw in reader.messages(
        [c for c in reader.connections if c.topic in wanted]
    ):
        digest.update(raw)
        message: Any = reader.deserialize(raw, connection.msgtype)
        if connection.topic == commanded:
            received.append((bag_ns, _trajectory(message)))
            continue
        stamp_ns = _stamp_ns(message.header.stamp)
        try:
            if connection.topic == joint_topic:
                clock.append((bag_ns, stamp_ns))
                recording.builder.push_joints(stamp_ns, message.name, message.position)
            else:
                _push_image(recording.builder, cameras[connection.topic], stamp_ns, message)
        except (Refusal, ImageError) as refusal:
            reason = str(refusal)
            recording.refused[reason] = recording.refused.get(reason, 0) + 1
    recording.digest = digest.hexdigest()
    if not clock:
        raise BagError(f'{recording.path}: no message on {joint_topic}')
    recording.trajectories = [(_on_stamp_clock(t, clock), traj) for t, traj in received]


def _find(
    reader: AnyReader, recording: EpisodeRecording, topic: str, required: bool = True
) -> str:
    """Find the topic by its full name, or by its end where the bag has a namespace."""
    names = sorted(reader.topics)
    ending = '/' + topic.lstrip('/')
    found = [name for name in names if name == topic or name.endswith(ending)]
    if len(found) == 1:
        return found[0]
    if not found and not required:
        return ''
    what = 'no topic' if not found else f'{len(found)} topics end in'
    raise BagError(f'{recording.path}: {what} {topic!r}; it has {names}')


def _push_image(builder: WindowBuilder, camera: str, stamp_ns: int, message: Any) -> None:
    size = builder.spec.image_sizes[camera]
    builder.push_image(camera, stamp_ns, fit_image(decode(message), *size))


def _on_stamp_clock(bag_ns: int, clock: list[tuple[int, int]]) -> int:
    """Translate a time of reception to the stamps' clock, which may be a simulation's."""
    bag, stamps = np.array(clock, dtype=np.int64).T
    shift = np.interp(bag_ns - bag[0], bag - bag[0], stamps - bag)
    return bag_ns + round(float(shift))


def _trajectory(message: Any) -> Trajectory:
    points = message.points

    def matrix(name: str) -> NDArray[np.float64] | None:
        rows = [getattr(point, name) for point in points]
        return np.array(rows, dtype=np.float64) if rows and len(rows[0]) else None

    times = [_stamp_ns(p.time_from_start) / NS for p in points]
    positions = matrix('positions')
    return Trajectory(
        tuple(message.joint_names),
        _stamp_ns(message.header.stamp),
        np.array(times),
        np.zeros((0, len(message.joint_names))) if positions is None else positions,
        matrix('velocities'),
        matrix('accelerations'),
    )


def _stamp_ns(stamp: Any) -> int:
    return int(stamp.sec) * NS + int(stamp.nanosec)
