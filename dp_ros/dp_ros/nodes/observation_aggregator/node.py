# SPDX-License-Identifier: Apache-2.0
"""The node `observation_aggregator`: makes observations from cameras and joint states.

They are those of a task, from the policy's contract or from a file. The decisions are made in
`dp_ros.data.windows.live`.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping
from pathlib import Path
import sys
from typing import Any

from dp_ros.arrays import Rgb
from dp_ros.data.windows.window import ObservationWindow
from dp_ros.nodes.observation_aggregator.eef_poses import EefPoses
from dp_ros.nodes.observation_aggregator.parameters import PARAMETERS, live_limits
from dp_ros.nodes.observation_aggregator.streams import UNUSABLE, Streams
from dp_ros.ros.clock_watch import ClockWatch, on_jump_back
from dp_ros.ros.contract import TOPIC, ContractTopic
from dp_ros.ros.conversions import ns_to_time
from dp_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from dp_ros.ros.live_parameters import LiveParameters
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import NEWEST
from dp_ros.task.task import Task, first_difference
from dp_ros.task.task_file import read_task
from dp_ros_msgs.msg import Observation
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType, TimeJump
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

_CHECK_PERIOD = 1.0


class ObservationAggregatorNode(Node):
    """Publishes `observation` for every synchronized set of images."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('observation_aggregator', **kwargs)
        self._values = LiveParameters(self, PARAMETERS, changed=self._on_parameters)
        file = self._values['task']
        self._file_task = read_task(Path(file).expanduser()) if file else None
        self._poses = EefPoses(self, self._values['base_frame'], self._values['eef_frame'])
        self._streams: Streams | None = None
        self._waiting: deque[tuple[ObservationWindow, int]] = deque()
        self._observations = self._checked = 0
        self._obstacle = WARN, f'no task yet: waiting for {TOPIC}'
        self._state: tuple[bytes, str] = (WARN, 'starting')
        self._publisher = self.create_publisher(Observation, 'observation', NEWEST)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self._jumps = on_jump_back(self, self._on_jump)
        self._clock_watch = ClockWatch(self, self._on_set_back)
        self._diagnostics = Diagnostics(self, self._report)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_CHECK_PERIOD, self._check, clock=steady)
        if self._file_task is not None:
            self._follow(self._file_task)
        self._contract = ContractTopic(self, self._on_contract)

    def _on_parameters(self, values: Mapping[str, Any]) -> None:
        if self._streams is not None:
            self._streams.live.limits = live_limits(values)

    # ---- which task

    def _on_contract(self, task: Task | None, why: str) -> None:
        if task is None:
            self._refuse(why)
            return
        mine = self._file_task
        difference = None if mine is None else first_difference(mine, task)
        if difference is not None:
            self._refuse(f'the task file and {TOPIC} differ: {difference}')
        elif self._streams is None or first_difference(self._streams.task, task) is not None:
            self._follow(task)

    def _follow(self, task: Task) -> None:
        """Subscribe to the streams of a task."""
        self._close()
        compressed = self._values['compressed_cameras']
        unknown = sorted(set(compressed) - set(task.cameras))
        if unknown:
            self._refuse(f'compressed_cameras: {unknown}: the task has {list(task.cameras)}')
            return
        try:
            self._streams = Streams(
                self, task, live_limits(self._values.values), compressed, self._publish
            )
        except UNUSABLE as error:
            self._refuse(str(error))
            return
        self.get_logger().info(f'observing for the task {task.name or "without a name"}')

    def _refuse(self, reason: str) -> None:
        """Publish no observations until another task comes; report the reason."""
        self._close()
        self._obstacle = ERROR, reason
        self.get_logger().error(reason)

    def _close(self) -> None:
        if self._streams is not None:
            self._streams.close()
        self._streams = None
        self._waiting.clear()

    # ---- observations

    def _publish(self, received_ns: int) -> bool:
        """Publish the windows that are complete, with their poses; tell whether one waits.

        :param received_ns: time at which the last message came [ns].
        """
        streams = self._streams
        if streams is None:
            return False
        live = streams.live
        self._waiting.extend((window, received_ns) for window in live.windows(received_ns))
        while self._waiting:
            window, since_ns = self._waiting[0]
            poses = self._poses.lookup(live.spec.frame_times(window.stamp_ns))
            if isinstance(poses, str):
                if received_ns - since_ns <= live.limits.max_wait_ns:
                    return True
                live.last_refusal = poses
            else:
                message = _message(streams, window, poses)
                message.received = ns_to_time(received_ns)
                message.completed = ns_to_time(self._now_ns())
                self._publisher.publish(message)
                self._observations += 1
            self._waiting.popleft()
        return live.waits

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
        self._waiting.clear()
        if self._streams is not None:
            self._streams.forget(not_before_ns)

    def _report(self) -> Report:
        values: dict[str, Any] = {'observations': self._observations}
        if self._streams is not None:
            live = self._streams.live
            values |= {
                'task': self._streams.task.name,
                'last_refusal': live.last_refusal,
                'commands.received': live.commands.received,
                'commands.last_refusal': live.commands.last_refusal,
            }
            for stream, count in live.counts.items():
                for key in ('received', 'matched', 'dropped', 'late', 'last_refusal'):
                    values[f'{self._streams.topics[stream]}.{key}'] = getattr(count, key)
        return *self._state, values

    def _check(self) -> None:
        """Set the state: when nothing was published since the last check, what is missing."""
        running = self._observations > self._checked
        self._checked = self._observations
        silent = self._silent()
        if running:
            self._state = OK, 'running'
        elif self._streams is None:
            level, reason = self._obstacle
            self._state = level, f'no observation: {reason}'
        else:
            self._state = WARN, self._why(self._streams, silent)
        if not running:
            self.get_logger().warning(self._state[1], throttle_duration_sec=5.0)

    def _silent(self) -> list[str]:
        counts = {} if self._streams is None else self._streams.live.counts
        return [stream for stream, count in counts.items() if count.silent()]

    def _why(self, streams: Streams, silent: list[str]) -> str:
        topics = [self.resolve_topic_name(streams.topics[stream]) for stream in silent]
        missing = [f'nothing on {topic} ({self._publisher_count(topic)})' for topic in topics]
        reason = streams.live.last_refusal or 'waiting for the first images'
        return 'no observation: ' + ('; '.join(missing) or reason)

    def _publisher_count(self, topic: str) -> str:
        count = self.count_publishers(topic)
        return 'no publisher' if count == 0 else f'{count} publisher{"s" if count > 1 else ""}'

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def _message(streams: Streams, window: ObservationWindow, poses: list[PoseStamped]) -> Observation:
    spec = streams.live.spec
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
        _image(
            streams.frame_ids[name],
            window.image_stamps_ns[name][step],
            window.images[name][step],
        )
        for step in range(spec.n_obs_steps)
        for name in spec.camera_names
    ]
    return message


def _image(frame_id: str, stamp_ns: int, rgb: Rgb) -> Image:
    height, width, channels = rgb.shape
    image = Image(height=height, width=width, encoding='rgb8', step=width * channels)
    image.header.stamp = ns_to_time(stamp_ns)
    image.header.frame_id = frame_id
    image.data = array('B', rgb.tobytes())
    return image


def main() -> int:
    """Run the node."""
    return run_node(ObservationAggregatorNode)


if __name__ == '__main__':
    sys.exit(main())
