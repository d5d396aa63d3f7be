# SPDX-License-Identifier: Apache-2.0
"""Make a task from a recording or live topics: their joints, cameras and rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import itertools
from math import isfinite, nan
from pathlib import Path
from typing import Any, Final

from dp_ros.data.bags.bag import COMMAND_TYPE, IMAGE_TYPES, JOINTS_TYPE
from dp_ros.data.bags.storage import BagError, BagReader, bag_info, check_bag, open_bag
from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.data.images import ImageError, decode
from dp_ros.robot.units import NS
from dp_ros.task.task import Camera, Task, Topics

_SIDE: Final = 96
"""Size to which the shorter side of an image is reduced [px], by a whole factor."""

_MOST_STATES: Final = 20
"""Number of joint states of a topic whose joints are taken."""

_DT: Final = 0.1  # [s], or longer where the cameras are slower


@dataclass
class Seen:
    """First messages of topics, by topic, and their rates [Hz].

    :param states: first position of each joint in the first messages, NaN where there is none;
        those of an arm and its hand may come in messages of their own.
    :param images: raw or compressed images of any encoding.
    """

    states: dict[str, dict[str, float]] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Any] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)


def task_of(seen: Seen) -> Task:
    """Return the task that fits the topics; its episodes begin where the arm was first.

    :raises ValueError: without joint states.
    """
    if not seen.states:
        raise ValueError(f'no {JOINTS_TYPE} to take joints from')
    states, commands = seen.states, seen.commands
    state = max(states, key=lambda topic: (topic == '/joint_states', len(states[topic])))
    fingers = [topic for topic in commands if topic.endswith('/' + Topics.gripper)]
    arms = sorted(commands.keys() - fingers, key=lambda topic: -len(commands[topic].joint_names))
    moved = {name for topic in arms[:1] + fingers for name in commands[topic].joint_names}
    held = {name for topic in fingers for name in commands[topic].joint_names}
    joints = [name for name in states[state] if name in moved or not moved]
    topics = {'joint_states': state}
    for key, found in (('commands', arms), ('gripper', fingers)):
        topics |= {key: found[0]} if found else {}
    sizes = _sizes(seen.images)
    rates = [seen.rates[topic] for topic in seen.images if seen.rates.get(topic)]
    arm = tuple(name for name in joints if name not in held)
    begins = [round(states[state][name], 3) + 0.0 for name in arm]  # Without a sign of 0.
    return Task(
        joints=arm,
        gripper_joints=tuple(name for name in joints if name in held),
        cameras={name: Camera(sizes[topic], topic) for name, topic in _cameras(sizes).items()},
        start_positions=tuple(begins) if all(map(isfinite, begins)) else (),
        dt=max(_DT, round(1 / min(rates), 3)) if rates else _DT,
        topics=Topics(**topics),
    )


def discover(bags: Sequence[Path]) -> Task:
    """Look into the first bag that can be used, and return the task that fits it.

    :raises DatasetError: when no bag with joint states can be used.
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


def _look(reader: BagReader, bag: Path) -> Task:
    images = {
        topic: image for kind in IMAGE_TYPES for topic, image in _firsts(reader, kind).items()
    }
    seconds = reader.duration / NS
    rates = {c.topic: c.msgcount / seconds for c in reader.connections} if seconds > 0 else {}
    seen = Seen(_joints(reader), _firsts(reader, COMMAND_TYPE), images, rates)
    try:
        return task_of(seen)
    except ValueError as error:
        raise BagError(f'{bag}: {error}, on any of {sorted(reader.topics)}') from error


def _joints(reader: BagReader) -> dict[str, dict[str, float]]:
    """Return the joints in the first messages of each topic with joint states."""
    found: dict[str, dict[str, float]] = {}
    for connection in reader.connections:
        if connection.msgtype == JOINTS_TYPE and connection.msgcount:
            for _, _, raw in itertools.islice(reader.messages([connection]), _MOST_STATES):
                add_joints(found, connection.topic, reader.deserialize(raw, JOINTS_TYPE))
    return found


def add_joints(states: dict[str, dict[str, float]], topic: str, message: Any) -> None:
    """Add the joints of a joint state to those of its topic."""
    joints = states.setdefault(topic, {})
    known = itertools.chain(message.position, itertools.repeat(nan))
    for name, position in zip(message.name, known, strict=False):
        joints.setdefault(name, float(position))


def _firsts(reader: BagReader, kind: str) -> dict[str, Any]:
    """Return the first message of each topic of a type."""

    def first(connection: Any) -> Any:
        _, _, raw = next(reader.messages([connection]))
        return reader.deserialize(raw, kind)

    return {c.topic: first(c) for c in reader.connections if c.msgtype == kind and c.msgcount}


def _sizes(images: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return a size (height, width) for each topic with colour images, compressed or not."""
    sizes = {}
    for topic, message in images.items():
        try:
            height, width = decode(message).shape[:2]
        except ImageError:
            continue
        factor = max(1, min(height, width) // _SIDE)
        sizes[topic.removesuffix('/compressed')] = height // factor, width // factor
    return sizes


def _cameras(topics: Iterable[str]) -> dict[str, str]:
    """Name cameras by the part of their topic before `image_raw`, or by all parts if needed."""
    parts = {topic: topic.strip('/').split('/')[:-1] or [topic.strip('/')] for topic in topics}
    short = {names[-1]: topic for topic, names in parts.items()}
    if len(short) == len(parts):
        return short
    return {'_'.join(names): topic for topic, names in parts.items()}
