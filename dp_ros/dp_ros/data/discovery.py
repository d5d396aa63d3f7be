# SPDX-License-Identifier: Apache-2.0
"""Find in a recording what a training configuration has to name: joints, cameras and topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dp_ros.data.bags import BagError, open_bag
from dp_ros.data.dataset import DatasetError
from dp_ros.data.images import ImageError, decode
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection

_IMAGES: Final = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_JOINTS: Final = 'sensor_msgs/msg/JointState'
_COMMANDS: Final = 'trajectory_msgs/msg/JointTrajectory'
_SIDE: Final = 96
"""What the shorter side of an image is brought down to [px], by a whole factor."""


def discover(bags: Sequence[Path]) -> dict[str, Any]:
    """Look into the first bag that can be read.

    :returns: the sections `policy` and `topics` of a training configuration.

    :raises DatasetError: when there is none, or none has joint states.
    """
    reasons = []
    for bag in bags:
        try:
            with open_bag(bag) as reader:
                return _look(reader, bag)
        except BagError as error:
            reasons.append(str(error))
    raise DatasetError('no bag can be used:\n' + '\n'.join(reasons[:5]))


def _look(reader: AnyReader, bag: Path) -> dict[str, Any]:
    firsts = {
        connection.topic: _first(reader, connection)
        for connection in reader.connections
        if connection.msgtype in (*_IMAGES, _JOINTS, _COMMANDS) and connection.msgcount
    }
    states = [c for c in reader.connections if c.msgtype == _JOINTS and c.topic in firsts]
    if not states:
        raise BagError(f'{bag}: no sensor_msgs/JointState on any of {sorted(reader.topics)}')
    state = max(states, key=lambda c: (c.topic == '/joint_states', c.msgcount)).topic
    commands = [
        c.topic for c in reader.connections if c.msgtype == _COMMANDS and c.topic in firsts
    ]
    command = max(commands, key=lambda topic: len(firsts[topic].joint_names), default='')
    sizes = _sizes({c.topic: firsts[c.topic] for c in reader.connections if c.msgtype in _IMAGES})
    images = _named(sizes)
    moved = firsts[command].joint_names if command else firsts[state].name
    policy = {
        'joint_names': [name for name in firsts[state].name if name in moved],
        'image_sizes': {name: list(sizes[topic]) for name, topic in images.items()},
    }
    topics = {'images': images, 'joint_states': state}
    return {'policy': policy, 'topics': topics | ({'trajectories': command} if command else {})}


def _first(reader: AnyReader, connection: Connection) -> Any:
    _, _, raw = next(reader.messages([connection]))
    return reader.deserialize(raw, connection.msgtype)


def _sizes(images: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return a size (height, width) for each topic with colour images, raw ones rather."""
    sizes = {}
    for topic, message in images.items():
        try:
            height, width = decode(message).shape[:2]
        except ImageError:
            continue
        factor = max(1, min(height, width) // _SIDE)
        sizes[topic.removesuffix('/compressed')] = height // factor, width // factor
    return sizes


def _named(topics: Iterable[str]) -> dict[str, str]:
    """Name cameras by the part of their topic before `image_raw`; by all parts where needed."""
    names = {topic: topic.strip('/').split('/')[:-1] or [topic.strip('/')] for topic in topics}
    short = [parts[-1] for parts in names.values()]
    if len(set(short)) < len(short):
        return {'_'.join(parts): topic for topic, parts in names.items()}
    return {parts[-1]: topic for topic, parts in names.items()}
