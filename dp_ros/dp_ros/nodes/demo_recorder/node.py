# SPDX-License-Identifier: Apache-2.0
"""The node `demo_recorder`: records demonstrations, one rosbag2 per episode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import sys
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_path
from dp_ros.data.bags.bag import TASK_FILE
from dp_ros.data.bags.definitions import define, standard_types
from dp_ros.data.bags.rates import RateWatch
from dp_ros.data.bags.recording import EpisodeFolder, OpenEpisode, RecordingError
from dp_ros.nodes.demo_recorder.parameters import PARAMETERS, recorded
from dp_ros.nodes.demo_recorder.recorded_topics import RecordedTopic, RecordedTopics
from dp_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from dp_ros.ros.live_parameters import LiveParameters
from dp_ros.ros.node_main import run_node
from dp_ros.task.task_file import read_task, task_text
from dp_ros_msgs.srv import StartEpisode, StopEpisode
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

_WATCH_PERIOD = 0.2


class DemoRecorderNode(Node):
    """Starts, stops and discards episodes by service; only complete bags are kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('demo_recorder', **kwargs)
        self._values = LiveParameters(self, PARAMETERS)
        file = self._values['task']
        task = read_task(Path(file).expanduser()) if file else None
        self._task_text = '' if task is None else task_text(task)
        self._recorded = recorded(self._values.values, task)
        self._folder = _make_folder(Path(self._values['directory']).expanduser())
        for line in self._folder.recover():
            self.get_logger().warning(f'{self._folder.folder}: {line}')
        self._types = standard_types()
        self._episode: OpenEpisode | None = None
        self._info: dict[str, str] = {}
        self._given_up = self._slow = ''
        index = self._folder.index()
        self._kept = len(index)
        self._successes = sum(entry.get('succeeded') == 'true' for entry in index)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._topics = RecordedTopics(
            self, self._recorded.topics, self._values['queue_size'], self._on_message
        )
        self._rates = RateWatch(self._min_rates())
        self.create_service(StartEpisode, '~/start', self._on_start)
        self.create_service(StopEpisode, '~/stop', self._on_stop)
        self.create_service(Trigger, '~/discard', self._on_discard)
        self._diagnostics = Diagnostics(self, self._report)
        self.create_timer(_WATCH_PERIOD, self._watch, clock=self._steady)

    def destroy_node(self) -> None:
        """Discard the open episode: nobody has confirmed it."""
        if self._episode is not None:
            self._give_up('the recorder was stopped')
        super().destroy_node()

    def _on_message(self, topic: RecordedTopic, data: bytes) -> None:
        if self._episode is None:
            return
        self._rates.count(topic.name)
        try:
            self._write(self._episode, topic, data)
        except RecordingError as error:
            self._give_up(str(error))

    def _write(self, episode: OpenEpisode, topic: RecordedTopic, data: bytes) -> None:
        if topic.name not in episode.counts:
            self._add(episode, topic)
        episode.write(topic.name, self._now_ns(), data)

    def _add(self, episode: OpenEpisode, topic: RecordedTopic) -> None:
        try:
            define(self._types, topic.type_name, get_package_share_path)
        except (OSError, PackageNotFoundError) as error:
            raise RecordingError(f'no definition of {topic.type_name}: {error}') from error
        episode.add_topic(topic.name, topic.type_name, topic.offered())

    def _on_start(
        self, request: StartEpisode.Request, response: StartEpisode.Response
    ) -> StartEpisode.Response:
        self._topics.drain()
        response.message = self._why_not(request)
        if not response.message:
            try:
                response.episode = self._open(request)
            except RecordingError as error:
                response.message = str(error)
                if self._episode is not None:
                    self._give_up(str(error))
        response.success = not response.message
        if not response.success:
            self.get_logger().error(f'no episode started: {response.message}')
            return response
        response.message = self._disk(self._values['warn_free_space'])
        if response.message:
            self.get_logger().warning(response.message)
        return response

    def _why_not(self, request: StartEpisode.Request) -> str:
        if self._episode is not None:
            return f'{self._episode.path.name} is open; stop or discard it first'
        if len(request.keys) != len(request.values):
            return f'{len(request.keys)} keys, {len(request.values)} values'
        missing = [
            self._topics.why_silent(name)
            for name in self._recorded.required
            if self._topics.silence(name) > self._values['max_silence']
        ]
        return '; '.join(missing) or self._disk_full()

    def _disk(self, needed: int) -> str:
        """Return a text with the free space if it is less than needed [MB], else ''."""
        free = self._folder.free_bytes() / 1e6
        if free >= needed:
            return ''
        return f'{free:.0f} MB free on the disk of {self._folder.folder}: needs {needed}'

    def _disk_full(self) -> str:
        return self._disk(self._values['min_free_space'])

    def _open(self, request: StartEpisode.Request) -> str:
        self._given_up = self._slow = ''
        self._rates.restart(self._steady.now().nanoseconds)
        self._episode = episode = self._folder.open(self._values['storage'], self._types)
        self._info = {
            'start_ns': str(self._now_ns()),
            'task': request.task,
            **({TASK_FILE: self._task_text} if self._task_text else {}),
            **dict(zip(request.keys, request.values, strict=True)),
        }
        for topic in self._topics.topics.values():
            topic.lost = 0
            if topic.type_name:
                self._add(episode, topic)
            if topic.latched:
                self._write(episode, topic, topic.latched)
        return episode.path.name

    def _on_stop(
        self, request: StopEpisode.Request, response: StopEpisode.Response
    ) -> StopEpisode.Response:
        self._topics.drain()
        if self._episode is None:
            response.message = self._given_up or 'no episode is open'
            return response
        episode, self._episode = self._episode, None
        duration = (self._now_ns() - int(self._info['start_ns'])) / 1e9
        lost = sum(topic.lost for topic in self._topics.topics.values())
        info = self._info | {
            'succeeded': str(request.succeeded).lower(),
            'note': request.note,
            'duration_s': f'{duration:.3f}',
            'messages_lost': str(lost),
        }
        try:
            response.path = str(self._folder.keep(episode, info))
        except RecordingError as error:
            self._given_up = response.message = f'{episode.path.name} is lost: {error}'
            episode.abandon()
            self.get_logger().error(response.message)
            return response
        self._kept += 1
        self._successes += request.succeeded
        response.success = True
        response.duration = duration
        response.message = (
            f'{sum(episode.counts.values())} messages, {lost} lost; {self._count()}'
            f'{"; " + self._slow if self._slow else ""}'
        )
        return response

    def _count(self) -> str:
        return f'{self._successes} of {self._kept} episodes succeeded'

    def _min_rates(self) -> dict[str, float]:
        rates = self._recorded.min_rates
        names = [self._topics.topics[name].name for name in self._recorded.required]
        return dict(zip(names, rates, strict=True)) if rates else {}

    def _on_discard(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._episode is None:
            response.message = self._given_up or 'no episode is open'
            return response
        response.message = f'{self._episode.path.name} discarded'
        self._episode.abandon()
        self._episode = None
        response.success = True
        return response

    def _watch(self) -> None:
        """Discard the open episode when a required topic is silent or the disk is full."""
        if self._episode is None:
            return
        for name in self._recorded.required:
            if self._topics.silence(name) > self._values['max_silence']:
                self._give_up(self._topics.why_silent(name))
                return
        full = self._disk_full()
        if full:
            self._give_up(full)
            return
        slow = self._rates.slow(self._steady.now().nanoseconds)
        if slow:
            self._slow = '; '.join(slow)
            self.get_logger().warning(self._slow)

    def _give_up(self, reason: str) -> None:
        assert self._episode is not None
        episode, self._episode = self._episode, None
        episode.abandon()
        self._given_up = f'{episode.path.name} is lost: {reason}'
        self.get_logger().error(self._given_up)

    def _report(self) -> Report:
        values: Mapping[str, Any] = {
            'directory': self._folder.folder,
            'episodes': self._count(),
            'slow': self._slow,
            'open': self._episode.path.name if self._episode else '',
            'missing': '; '.join(
                self._topics.why_silent(name)
                for name in self._recorded.required
                if self._topics.silence(name) > self._values['max_silence']
            ),
        }
        if self._given_up:
            return ERROR, self._given_up, values
        warning = self._slow or self._disk(self._values['warn_free_space'])
        if warning:
            return WARN, warning, values
        return OK, 'recording' if self._episode else 'ready', values

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def _make_folder(path: Path) -> EpisodeFolder:
    try:
        return EpisodeFolder(path)
    except RecordingError as error:
        raise ValueError(f'parameter directory: {error}') from error


def main() -> int:
    """Run the node."""
    return run_node(DemoRecorderNode)


if __name__ == '__main__':
    sys.exit(main())
