# SPDX-License-Identifier: Apache-2.0
"""The subscriptions for the observations of one task.

Joint states come up to a thousand times a second, and images wait for them only sometimes: they
are read when an image comes, and in between now and then; often while a window waits for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from dp_ros.data.images import ImageError, decode
from dp_ros.data.windows.live import LiveLimits, LiveWindows
from dp_ros.data.windows.window import JOINTS, window_spec
from dp_ros.robot.trajectory import TrajectoryRejected
from dp_ros.robot.trajectory_message import trajectory_from_msg
from dp_ros.ros.conversions import ns_to_time, time_to_ns
from dp_ros.ros.polled_topic import PolledTopic
from dp_ros.ros.qos import EVERY, EVERY_SENSOR
from dp_ros.task.task import Task, Topics
from dp_ros.values import require
from message_filters import ApproximateTimeSynchronizer, SimpleFilter, Subscriber
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, JointState
from trajectory_msgs.msg import JointTrajectory

UNUSABLE: Final = (ValueError, NameValidationException, RuntimeError)
"""Errors with which a task is refused; the last two come from rclpy."""

_SELDOM: Final = 0.02
_OFTEN: Final = 0.002
"""Times between two readings of the joint states [s]."""


class Streams:
    """Passes the messages on the topics of a task to its windows.

    :param compressed: names of cameras whose compressed images are used.
    :param on_news: function that gets the time of messages that may complete a window [ns], and
        tells whether one still waits for more.
    :raises UNUSABLE: for a task without live observations, or with invalid topics.
    """

    def __init__(
        self,
        node: Node,
        task: Task,
        limits: LiveLimits,
        compressed: Collection[str],
        on_news: Callable[[int], bool],
    ) -> None:
        self.task = task
        self.live = LiveWindows(window_spec(task, commands=True), limits)
        self.topics = {
            name: f'{topic}/compressed' if name in compressed else topic
            for name, topic in task.camera_topics.items()
        } | {JOINTS: task.topics.joint_states}
        _check_kinds(self.topics, task.topics)
        self.frame_ids: dict[str, str] = {}
        self._node = node
        self._on_news = on_news
        self._sets: deque[tuple[Image | CompressedImage, ...]] = deque()
        self._subscriptions: list[Subscription] = []
        self._joints: PolledTopic | None = None
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers = [node.create_timer(t, self._read, clock=steady) for t in (_SELDOM, _OFTEN)]
        self._hurry(False)
        try:
            self._synchronizer = self._subscribe_cameras(compressed)
            self._subscribe_others(task.topics)
        except UNUSABLE:
            self.close()
            raise

    def close(self) -> None:
        """End the subscriptions."""
        for timer in self._timers:
            self._node.destroy_timer(timer)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._joints is not None:
            self._joints.close()

    def forget(self, not_before_ns: int) -> None:
        """Forget everything, and refuse what is older than ``not_before_ns`` from now on."""
        if self._joints is not None:
            self._joints.every()
        self.live.reset(not_before_ns)
        for queue in self._synchronizer.queues:
            queue.clear()

    def _subscribe_cameras(self, compressed: Collection[str]) -> ApproximateTimeSynchronizer:
        spec, gates = self.live.spec, []
        for name in spec.camera_names:
            kind = CompressedImage if name in compressed else Image
            subscriber = Subscriber(
                self._node, kind, self.topics[name], qos_profile=qos_profile_sensor_data
            )
            gates.append(SimpleFilter())
            subscriber.registerCallback(partial(self._on_image, name, gates[-1]))
            self._subscriptions.append(subscriber.sub)
        synchronizer = ApproximateTimeSynchronizer(gates, spec.queue_size, spec.slop_ns / 1e9)
        # An error inside it would leave the lock of upstream's synchronizer held for ever.
        synchronizer.registerCallback(lambda *messages: self._sets.append(messages))
        return synchronizer

    def _subscribe_others(self, topics: Topics) -> None:
        self._joints = PolledTopic(self._node, JointState, topics.joint_states, EVERY_SENSOR)
        for topic in (topics.commands, topics.gripper):
            subscribe = self._node.create_subscription
            self._subscriptions.append(subscribe(JointTrajectory, topic, self._on_command, EVERY))

    def _on_image(self, camera: str, gate: SimpleFilter, message: Image | CompressedImage) -> None:
        """Take an image; pass it to the synchronizer if it was not refused."""
        now_ns = self._now_ns()
        try:
            image = self.live.spec.fit(camera, decode(message))
        except ImageError as error:
            self.live.refuse(camera, str(error))
            return
        stamp_ns = time_to_ns(message.header.stamp)
        time_ns = self.live.push_image(camera, stamp_ns, now_ns, image)
        if time_ns is not None:
            self.frame_ids[camera] = message.header.frame_id
            message.header.stamp = ns_to_time(time_ns)
            gate.signalMessage(message)
        while self._sets:
            self._on_set(now_ns, *self._sets.popleft())

    def _on_set(self, now_ns: int, *messages: Image | CompressedImage) -> None:
        stamps = [time_to_ns(message.header.stamp) for message in messages]
        cameras = self.live.spec.camera_names
        self.live.push_set(dict(zip(cameras, stamps, strict=True)), now_ns)
        self._read()

    def _read(self) -> None:
        """Read the joint states that came, and tell of the news."""
        now_ns = self._take_joints()
        self._hurry(self._on_news(now_ns))

    def _take_joints(self) -> int:
        """Take the joint states that came; return the present time [ns]."""
        messages = [] if self._joints is None else self._joints.every()
        now_ns = self._now_ns()
        for message in messages:
            stamp_ns = time_to_ns(message.header.stamp)
            self.live.push_joints(stamp_ns, now_ns, message.name, message.position)
        return now_ns

    def _hurry(self, waits: bool) -> None:
        """Read the joint states often only while a window waits."""
        often = self._timers[1]
        if waits and often.is_canceled():
            often.reset()
        elif not waits:
            often.cancel()

    def _on_command(self, message: JointTrajectory) -> None:
        try:
            trajectory = trajectory_from_msg(message)
        except TrajectoryRejected as error:
            self.live.refuse_command(str(error))
        else:
            self._take_joints()  # The first command starts from where the arm is by then.
            self.live.push_command(self._now_ns(), trajectory)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


def _check_kinds(observed: Mapping[str, str], topics: Topics) -> None:
    """Refuse a topic that is named for messages of two types: the middleware does without words.

    :param observed: topic of each camera and of the joint states.
    """
    images = {topic for name, topic in observed.items() if name != JOINTS}
    kinds = (images, {topics.joint_states}, {topics.commands, topics.gripper})
    twice = sorted(
        topic for topic in set.union(*kinds) if sum(topic in kind for kind in kinds) > 1
    )
    require(not twice, f'topics: {twice}: named for messages of two types')
