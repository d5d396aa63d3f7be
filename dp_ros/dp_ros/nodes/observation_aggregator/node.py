# SPDX-License-Identifier: Apache-2.0
"""Node that turns cameras and joint states into the observations a policy sees.

Translates between messages and `dp_ros.data.windows.live`, where everything is decided.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping
from functools import partial
import sys
from typing import Any

from dp_ros.arrays import Rgb
from dp_ros.data.images import ImageError, decode, fit_image
from dp_ros.data.windows.live import LiveWindows
from dp_ros.data.windows.window import JOINTS, ObservationWindow
from dp_ros.nodes.observation_aggregator.eef_poses import EefPoses
from dp_ros.nodes.observation_aggregator.parameters import (
    PARAMETERS,
    camera_topics,
    check,
    live_limits,
    window_spec,
)
from dp_ros.robot.trajectory import TrajectoryRejected
from dp_ros.ros.clock_watch import ClockWatch, on_jump_back
from dp_ros.ros.conversions import ns_to_time, time_to_ns, trajectory_from_msg
from dp_ros.ros.diagnostics import OK, WARN, Diagnostics, Report
from dp_ros.ros.live_parameters import LiveParameters
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import EVERY, NEWEST
from dp_ros_msgs.msg import Observation
from geometry_msgs.msg import PoseStamped
from message_filters import ApproximateTimeSynchronizer, SimpleFilter, Subscriber
from rclpy.clock import Clock, ClockType, TimeJump
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

_CHECK_PERIOD = 1.0


class ObservationAggregatorNode(Node):
    """Publishes `observation` for every synchronized set of images."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('observation_aggregator', **kwargs)
        values = LiveParameters(self, PARAMETERS, check, self._on_parameters).values
        self._live = LiveWindows(window_spec(values), live_limits(values))
        self._poses = EefPoses(self, values['base_frame'], values['eef_frame'])
        self._topics = {**camera_topics(values), JOINTS: 'joint_states'}
        self._frame_ids: dict[str, str] = {}
        self._waiting: deque[tuple[ObservationWindow, int]] = deque()
        self._observations = self._checked = 0
        self._state: tuple[bytes, str] = (WARN, 'starting')
        self._publisher = self.create_publisher(Observation, 'observation', NEWEST)
        self._sets: deque[tuple[Image | CompressedImage, ...]] = deque()
        self._synchronizer = self._subscribe_cameras()
        self.create_subscription(
            JointState, self._topics[JOINTS], self._on_joints, qos_profile_sensor_data
        )
        for topic in (f'{values["controller_name"]}/joint_trajectory', 'gripper/target'):
            self.create_subscription(JointTrajectory, topic, self._on_command, EVERY)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self._jumps = on_jump_back(self, self._on_jump)
        self._clock_watch = ClockWatch(self, self._on_set_back)
        self._diagnostics = Diagnostics(self, self._report)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_CHECK_PERIOD, self._check, clock=steady)

    def _subscribe_cameras(self) -> ApproximateTimeSynchronizer:
        spec = self._live.spec
        gates = []
        for name in spec.camera_names:
            compressed = self._topics[name].endswith('/compressed')
            kind = CompressedImage if compressed else Image
            subscriber = Subscriber(
                self, kind, self._topics[name], qos_profile=qos_profile_sensor_data
            )
            gates.append(SimpleFilter())
            subscriber.registerCallback(partial(self._on_image, name, gates[-1]))
        synchronizer = ApproximateTimeSynchronizer(gates, spec.queue_size, spec.slop_ns / 1e9)
        # What fails inside of it leaves the lock of upstream's synchronizer held for ever.
        synchronizer.registerCallback(lambda *messages: self._sets.append(messages))
        return synchronizer

    def _on_parameters(self, values: Mapping[str, Any]) -> None:
        self._live.limits = live_limits(values)

    def _on_image(self, camera: str, gate: SimpleFilter, message: Image | CompressedImage) -> None:
        """Keep the image; only what was taken goes on to the synchronizer."""
        try:
            image = fit_image(decode(message), *self._live.spec.image_sizes[camera])
        except ImageError as error:
            self._live.refuse(camera, str(error))
            return
        stamp_ns = time_to_ns(message.header.stamp)
        time_ns = self._live.push_image(camera, stamp_ns, self._now_ns(), image)
        if time_ns is not None:
            self._frame_ids[camera] = message.header.frame_id
            message.header.stamp = ns_to_time(time_ns)
            gate.signalMessage(message)
        while self._sets:
            self._on_set(*self._sets.popleft())

    def _on_set(self, *messages: Image | CompressedImage) -> None:
        stamps = [time_to_ns(message.header.stamp) for message in messages]
        cameras = self._live.spec.camera_names
        self._live.push_set(dict(zip(cameras, stamps, strict=True)), self._now_ns())
        self._publish()

    def _on_joints(self, message: JointState) -> None:
        stamp_ns = time_to_ns(message.header.stamp)
        self._live.push_joints(stamp_ns, self._now_ns(), message.name, message.position)
        self._publish()

    def _on_command(self, message: JointTrajectory) -> None:
        try:
            trajectory = trajectory_from_msg(message)
        except TrajectoryRejected as error:
            self._live.refuse_command(str(error))
        else:
            self._live.push_command(self._now_ns(), trajectory)

    def _publish(self) -> None:
        """Publish the windows that are complete and have their poses."""
        now_ns = self._now_ns()
        self._waiting.extend((window, now_ns) for window in self._live.windows(now_ns))
        while self._waiting:
            window, since_ns = self._waiting[0]
            poses = self._poses.lookup(self._live.spec.frame_times(window.stamp_ns))
            if isinstance(poses, str):
                if now_ns - since_ns <= self._live.limits.max_wait_ns:
                    return
                self._live.last_refusal = poses
            else:
                self._publisher.publish(self._message(window, poses))
                self._observations += 1
            self._waiting.popleft()

    def _message(self, window: ObservationWindow, poses: list[PoseStamped]) -> Observation:
        spec = self._live.spec
        message = Observation(
            dt=spec.dt_ns / 1e9,
            n_obs_steps=spec.n_obs_steps,
            joint_names=spec.joint_names,
            joint_positions=window.joint_positions.ravel(),
            commanded_positions=window.commanded_positions.ravel(),
            camera_names=spec.camera_names,
            eef_poses=poses,
        )
        message.header.stamp = ns_to_time(window.stamp_ns)
        message.images = [
            self._image(name, window.image_stamps_ns[name][step], window.images[name][step])
            for step in range(spec.n_obs_steps)
            for name in spec.camera_names
        ]
        return message

    def _image(self, camera: str, stamp_ns: int, rgb: Rgb) -> Image:
        height, width, channels = rgb.shape
        image = Image(height=height, width=width, encoding='rgb8', step=width * channels)
        image.header.stamp = ns_to_time(stamp_ns)
        image.header.frame_id = self._frame_ids[camera]
        image.data = array('B', rgb.tobytes())
        return image

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._forget(self._now_ns())
        response.success = True
        response.message = 'forgot everything older than now'
        return response

    def _on_jump(self, jump: TimeJump) -> None:
        self.get_logger().info('the clock jumped back, forgetting all messages')
        self._forget(0)

    def _on_set_back(self, seconds: float) -> None:
        self.get_logger().warning(f'the clock was set back by {seconds:.1f} s')
        self._forget(0)

    def _forget(self, not_before_ns: int) -> None:
        self._live.reset(not_before_ns)
        self._waiting.clear()
        for queue in self._synchronizer.queues:
            queue.clear()

    def _report(self) -> Report:
        values: dict[str, Any] = {
            'observations': self._observations,
            'last_refusal': self._live.last_refusal,
            'commands.received': self._live.commands.received,
            'commands.last_refusal': self._live.commands.last_refusal,
        }
        for stream, count in self._live.counts.items():
            for key in ('received', 'matched', 'dropped', 'late', 'last_refusal'):
                values[f'{self._topics[stream]}.{key}'] = getattr(count, key)
        return *self._state, values

    def _check(self) -> None:
        """Name what is missing when nothing could be published since the last check."""
        silent = [stream for stream, count in self._live.counts.items() if count.silent()]
        running = self._observations > self._checked
        self._checked = self._observations
        self._state = (OK, 'running') if running else (WARN, self._why(silent))
        if not running:
            self.get_logger().warning(self._state[1], throttle_duration_sec=5.0)

    def _why(self, silent: list[str]) -> str:
        topics = [self.resolve_topic_name(self._topics[stream]) for stream in silent]
        missing = [f'nothing on {topic} ({self._publisher_count(topic)})' for topic in topics]
        reason = self._live.last_refusal or 'waiting for the first images'
        return 'no observation: ' + ('; '.join(missing) or reason)

    def _publisher_count(self, topic: str) -> str:
        count = self.count_publishers(topic)
        return 'no publisher' if count == 0 else f'{count} publisher{"s" if count > 1 else ""}'

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    """Run the node."""
    return run_node(ObservationAggregatorNode)


if __name__ == '__main__':
    sys.exit(main())
