# SPDX-License-Identifier: Apache-2.0
"""Read one rosbag2 as one episode, by whatever program it was recorded.

Works without ROS, with the message definitions that the bag carries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import hashlib
from pathlib import Path
import re
from typing import Any, Final

from dp_ros.data.bags.storage import (
    AGAIN,
    BagError,
    BagReader,
    bag_info,
    check_bag,
    open_bag,
)
from dp_ros.data.images import ImageError, decode
from dp_ros.data.windows.sync import CameraMatcher
from dp_ros.data.windows.window import JOINTS, Refusal, Stream, WindowBuilder, WindowSpec
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
from dp_ros.robot.trajectory_message import trajectory_from_msg
from dp_ros.robot.units import NS
from dp_ros.task.task import Task
import numpy as np

TASK_FILE: Final = 'task_file'
"""Key of a bag's notes under which it holds its task file."""

IMAGE_TYPES: Final = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
JOINTS_TYPE: Final = 'sensor_msgs/msg/JointState'
ACTIONS: Final = ('auto', 'commanded', 'measured')
COMMAND_TYPE: Final = 'trajectory_msgs/msg/JointTrajectory'
_CHUNK: Final = 'chunk'  # of `policy/chunk` and `teleop/chunk`, which the executor follows
_ONE_CLOCK_NS: Final = NS


@dataclass(frozen=True)
class BagTopics:
    """Topics of a bag that an episode is read from.

    :param images: topics of cameras that are not on `camera/<name>/image_raw`, by camera.
    :param trajectories: topic of the arm's commands; ``fingers``: of the gripper's targets.
    :param actions: positions that become the arm's actions: 'commanded', 'measured' (for hand
        guiding), or 'auto': commanded if the bag holds a command, else measured.
    :raises ValueError: for other ``actions``, or images that are no topics by camera.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    joint_states: str = 'joint_states'
    trajectories: str = 'fr3_arm_controller/joint_trajectory'
    fingers: str = 'gripper/target'
    actions: str = 'auto'

    @classmethod
    def of(cls, task: Task, actions: str = 'auto') -> BagTopics:
        """Return the topics of the recordings of a task."""
        topics = task.topics
        return cls(
            task.camera_topics, topics.joint_states, topics.commands, topics.gripper, actions
        )

    def __post_init__(self) -> None:
        if self.actions not in ACTIONS:
            raise ValueError(f'actions = {self.actions!r}: needs one of {ACTIONS}')
        by_camera = isinstance(self.images, Mapping)
        if not by_camera or not all(isinstance(topic, str) for topic in self.images.values()):
            raise ValueError(f'images = {self.images!r}: needs a topic by camera')


@dataclass
class EpisodeRecording:
    """One recorded episode.

    :param builder: window builder that holds all joint states and images.
    :param info: notes of the recorder in the bag's metadata.
    :param stamps_ns: newest stamp of each synchronized set of images [ns].
    :param trajectories: commands of the arm, each with the time when it was received [ns], on the
        clock of the stamps.
    :param fingers: targets of the gripper, likewise.
    :param refused: numbers of samples that were not taken, by reason.
    :param rejected: numbers of trajectories that their controller rejects, by reason.
    :param unfollowed: reason why a controller could follow none of its trajectories, or ''.
    :param arrivals: (time of reception, stamp) [ns] of every message, by camera or
        ``joint_states``, whether or not it was taken; of joint states that come in several
        messages, of those with the first joint.
    :param has_checksums: whether damage in any of its messages would have been noticed.
    :param cut: text that says where its file was cut off; empty where it is whole.
    """

    path: Path
    builder: WindowBuilder
    info: Mapping[str, str] = field(default_factory=dict)
    stamps_ns: list[int] = field(default_factory=list)
    trajectories: list[tuple[int, Trajectory]] = field(default_factory=list)
    fingers: list[tuple[int, Trajectory]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    unfollowed: str = ''
    arrivals: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    digest: str = ''
    has_checksums: bool = True
    cut: str = ''

    def refuse(self, refusal: Exception) -> None:
        """Count a sample that was not taken."""
        self.refused[str(refusal)] = self.refused.get(str(refusal), 0) + 1

    def refusals(self) -> str:
        """Return the most frequent reason in brackets, empty where nothing was refused."""
        if not self.refused:
            return ''
        reason = max(self.refused, key=lambda r: self.refused[r])
        return f' ({sum(self.refused.values())} refused; most often: {reason})'


def read_bag(path: Path, spec: WindowSpec, topics: BagTopics) -> EpisodeRecording:
    """Read a bag: a folder, or a file.

    :raises BagError: for a bag that is corrupt, empty, or lacks a topic.
    """
    recording = EpisodeRecording(path, WindowBuilder(spec), bag_info(path))
    sound = check_bag(path)
    recording.has_checksums, recording.cut = sound.has_checksums, sound.cut
    with open_bag(path) as reader:
        recording.builder.reset(_start_ns(recording))
        _Replay(reader, recording, topics).run()
    return recording


def _start_ns(recording: EpisodeRecording) -> int:
    noted = recording.info.get('start_ns', '0')
    if not re.fullmatch(r'\d{1,19}', noted):
        raise BagError(f'{recording.path}: start_ns = {noted[:50]!r}: needs a time [ns]')
    return int(noted)


class _Replay:
    """Feeds a bag's messages to the builder in the order in which they were recorded."""

    def __init__(self, reader: BagReader, recording: EpisodeRecording, topics: BagTopics) -> None:
        self._reader = reader
        self._recording = recording
        self._cameras = {
            self._camera_topic(topics.images.get(name, f'camera/{name}/image_raw')): name
            for name in recording.builder.spec.camera_names
        }
        self._joints = self._topic(topics.joint_states)
        self._topics = topics
        self._commanded = {self._find(topics.fingers): recording.fingers}
        if topics.actions != 'measured':
            self._commanded[self._find(topics.trajectories)] = recording.trajectories
        spec = recording.builder.spec
        self._matcher = CameraMatcher(spec.camera_names, spec.queue_size, spec.slop_ns)
        self._clock: list[tuple[int, int]] = []
        self._malformed: dict[str, list[str]] = {topic: [] for topic in self._commanded}
        self._known: dict[str, list[int]] = {topic: [] for topic in self._commanded}

    def run(self) -> None:
        wanted = {*self._cameras, self._joints, *self._commanded}
        connections = [c for c in self._reader.connections if c.topic in wanted]
        self._check_types()
        digest, count = hashlib.sha256(), 0
        for connection, bag_ns, raw in self._reader.messages(connections):
            digest.update(raw)
            count += 1
            message: Any = self._reader.deserialize(raw, connection.msgtype)
            try:
                self._take(connection.topic, bag_ns, message)
            except (Refusal, ImageError) as refusal:
                self._recording.refuse(refusal)
        expected = sum(connection.msgcount for connection in connections)
        if count != expected:
            raise BagError(
                f'{self._recording.path}: {count} messages where {expected} were written; {AGAIN}'
            )
        for topic, stream in self._streams():
            if not stream.stamps:
                raise BagError(
                    f'{self._recording.path}: no message on {topic} can be used'
                    f'{self._recording.refusals()}; adapt the configuration or the driver'
                )
        self._check_commands()
        self._recording.digest = digest.hexdigest()
        for topic, received in self._commanded.items():
            received[:] = [(_on_stamp_clock(t, self._clock), value) for t, value in received]
            ours = [
                (*each, known)
                for each, known in zip(received, self._known[topic], strict=True)
                if self._concerns(topic, each[1].joint_names)
            ]
            self._follow(ours, self._malformed[topic])

    def _check_commands(self) -> None:
        """Refuse a bag without the commands that were asked for, or with others than these.

        :raises BagError: with the topics that command these joints.
        """
        wanted, path = self._topics.trajectories, self._recording.path
        arm = self._find(wanted)
        if self._recording.trajectories or self._malformed.get(arm):
            return
        others = [] if self._topics.actions == 'measured' else self._other_commands()
        if others:
            raise BagError(
                f'{path}: nothing on {wanted}, but {", ".join(others)} commands these joints: '
                'set topics.commands of the task to it, or actions to measured where it does not '
                'command the arm'
            )
        if self._topics.actions == 'commanded':
            raise BagError(
                f'{path}: nothing on {wanted}: name the topic that commands the arm, or set '
                'actions to measured where it was guided by hand'
            )

    def _other_commands(self) -> list[str]:
        """Return other topics with trajectories of the arm; chunks are no commands."""
        observed = set(self._recording.builder.spec.joint_names)
        found = []
        for connection in self._reader.connections:
            topic = connection.topic
            known = topic in self._commanded or topic.rpartition('/')[2] == _CHUNK
            if connection.msgtype != COMMAND_TYPE or known or not connection.msgcount:
                continue
            _, _, raw = next(iter(self._reader.messages([connection])))
            if observed & set(self._reader.deserialize(raw, COMMAND_TYPE).joint_names):
                found.append(topic)
        return sorted(found)

    def _follow(
        self, received: Sequence[tuple[int, Trajectory, int]], malformed: Sequence[str]
    ) -> None:
        """Let the builder follow the trajectories that the controller did not reject.

        :param received: time of reception [ns], trajectory, number of joint states before it.
        """
        recording, reasons = self._recording, list(malformed)
        for each in received:
            try:
                recording.builder.push_command(*each)
            except TrajectoryRejected as error:  # The controller rejected it too.
                reasons.append(str(error))
        recording.rejected.update(reasons)
        if reasons and len(reasons) == len(received) + len(malformed):
            recording.unfollowed = reasons[-1]

    def _check_types(self) -> None:
        roles: list[tuple[str, tuple[str, ...]]] = [(self._joints, (JOINTS_TYPE,))]
        roles += [(topic, IMAGE_TYPES) for topic in self._cameras]
        roles += [(topic, (COMMAND_TYPE,)) for topic in self._commanded if topic]
        for topic, allowed in roles:
            held = self._reader.topics[topic].msgtype
            if held not in allowed:
                raise BagError(
                    f'{self._recording.path}: {topic} holds {held}: needs {" or ".join(allowed)}'
                )

    def _take(self, topic: str, bag_ns: int, message: Any) -> None:
        builder = self._recording.builder
        if topic in self._commanded:
            self._take_command(topic, bag_ns, message)
            return
        stamp_ns = _stamp_ns(message.header.stamp)
        if topic == self._joints:
            if builder.spec.joint_names[0] in message.name:
                self._arrived(JOINTS, bag_ns, stamp_ns)
            builder.push_joints(stamp_ns, message.name, message.position)
            self._clock.append((bag_ns, stamp_ns))
            return
        stream = self._cameras[topic]
        self._arrived(stream, bag_ns, stamp_ns)
        image = builder.spec.fit(stream, decode(message))
        matched = self._matcher.add(stream, builder.push_image(stream, stamp_ns, image))
        if matched is not None:
            self._recording.stamps_ns.append(max(matched))

    def _arrived(self, stream: str, bag_ns: int, stamp_ns: int) -> None:
        self._recording.arrivals.setdefault(stream, []).append((bag_ns, stamp_ns))

    def _take_command(self, topic: str, bag_ns: int, message: Any) -> None:
        """Keep a command; one that cannot be read is counted and left out."""
        try:
            trajectory = trajectory_from_msg(message)
            self._commanded[topic].append((bag_ns, trajectory))
            self._known[topic].append(len(self._recording.builder.joints.stamps))
        except TrajectoryRejected as error:
            if self._concerns(topic, message.joint_names):
                self._malformed[topic].append(str(error))

    def _concerns(self, topic: str, joint_names: Sequence[str]) -> bool:
        """Tell whether a command is for joints that are observed; a gripper may not be."""
        observed = self._recording.builder.spec.joint_names
        is_fingers = self._commanded[topic] is self._recording.fingers
        return not is_fingers or bool(set(observed) & set(joint_names))

    def _streams(self) -> list[tuple[str, Stream[Any]]]:
        builder = self._recording.builder
        images = [(topic, builder.images[camera]) for topic, camera in self._cameras.items()]
        return [(self._joints, builder.joints), *images]

    def _camera_topic(self, topic: str) -> str:
        return self._find(topic) or self._find(f'{topic}/compressed') or self._topic(topic)

    def _topic(self, topic: str) -> str:
        found = self._find(topic)
        if not found:
            names = sorted(self._reader.topics)
            raise BagError(
                f'{self._recording.path}: no topic {topic!r}; it has {names}: name the right one '
                'in the task file'
            )
        return found

    def _find(self, topic: str) -> str:
        """Find the topic by its full name, or by its end where the bag has a namespace."""
        ending = '/' + topic.lstrip('/')
        names = sorted(self._reader.topics)
        found = [n for n in names if n == ending] or [n for n in names if n.endswith(ending)]
        if len(found) > 1:
            raise BagError(
                f'{self._recording.path}: {found} all end in {topic!r}; name one in full'
            )
        return found[0] if found else ''


def _on_stamp_clock(bag_ns: int, clock: list[tuple[int, int]]) -> int:
    """Translate a time of reception to the clock of the stamps, which may be a simulation's.

    Where both are the same clock, the difference is only the delay of the joint states.
    """
    bag, stamps = np.array(clock, dtype=np.int64).T
    if abs(np.median(stamps - bag)) < _ONE_CLOCK_NS:
        return bag_ns
    shift = np.interp(bag_ns - bag[0], bag - bag[0], stamps - bag)
    return bag_ns + round(float(shift))


def _stamp_ns(stamp: Any) -> int:
    return int(stamp.sec) * NS + int(stamp.nanosec)
