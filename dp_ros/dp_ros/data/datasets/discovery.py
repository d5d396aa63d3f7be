# SPDX-License-Identifier: Apache-2.0
"""Find in a recording what a training configuration has to name: joints, cameras and topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dp_ros.data.bags.bag import (
    COMMAND_TYPE,
    IMAGE_TYPES,
    JOINTS_TYPE,
    BagError,
    BagTopics,
    bag_info,
    check_bag,
    open_bag,
)
from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.data.images import ImageError, decode
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection

_SIDE: Final = 96
"""What the shorter side of an image is brought down to [px], by a whole factor."""


def discover(bags: Sequence[Path]) -> dict[str, Any]:
    """Look into the first bag that can be used.

    :returns: the sections `policy` and `topics` of a training configuration.
    :raises DatasetError: when there is none with joint states.
    """
    reasons = []
    for bag in bags:
        try:
            bag_info(bag)
            check_bag(bag)
            with open_bag(bag) as reader:
                return _look(reader, bag)
        except BagError as error:
            reasons.append(str(error))
    raise DatasetError('no bag can be used:\n' + '\n'.join(reasons[:5]))


def _look(reader: AnyReader, bag: Path) -> dict[str, Any]:
    states, commands = _firsts(reader, JOINTS_TYPE), _firsts(reader, COMMAND_TYPE)
    images = {
        topic: image for kind in IMAGE_TYPES for topic, image in _firsts(reader, kind).items()
    }
    if not states:
        raise BagError(f'{bag}: no {JOINTS_TYPE} on any of {sorted(reader.topics)}')
    state = max(states, key=lambda topic: (topic == '/joint_states', len(states[topic].name)))
    fingers = [topic for topic in commands if topic.endswith('/' + BagTopics.fingers)]
    arms = sorted(commands.keys() - fingers, key=lambda topic: -len(commands[topic].joint_names))
    moved = {name for topic in arms[:1] + fingers for name in commands[topic].joint_names}
    sizes = _sizes(images)
    cameras = _cameras(sizes)
    policy = {
        'joint_names': [name for name in states[state].name if name in moved or not moved],
        'image_sizes': {name: sizes[topic] for name, topic in cameras.items()},
    }
    topics = {'images': cameras, 'joint_states': state}
    for key, found in (('trajectories', arms), ('fingers', fingers)):
        topics |= {key: found[0]} if found else {}
    return {'policy': policy, 'topics': topics}


def _firsts(reader: AnyReader, kind: str) -> dict[str, Any]:
    """Return the first message of each topic of a type."""

    def first(connection: Connection) -> Any:
        _, _, raw = next(reader.messages([connection]))
        return reader.deserialize(raw, kind)

    return {c.topic: first(c) for c in reader.connections if c.msgtype == kind and c.msgcount}


def _sizes(images: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return a size (height, width) for each topic with colour images, compressed or not."""
    sizes = {}
    for topic, message in images.items():
        try:
            height, width = decode(message).shape[:2]
        except ImageError:
            continue
        factor = max(1, min(height, width) // _SIDE)
        sizes[topic.removesuffix('/compressed')] = [height // factor, width // factor]
    return sizes


def _cameras(topics: Iterable[str]) -> dict[str, str]:
    """Name cameras by the part of their topic before `image_raw`; by all parts where needed."""
    parts = {topic: topic.strip('/').split('/')[:-1] or [topic.strip('/')] for topic in topics}
    short = {names[-1]: topic for topic, names in parts.items()}
    if len(short) == len(parts):
        return short
    return {'_'.join(names): topic for topic, names in parts.items()}
