# SPDX-License-Identifier: Apache-2.0
"""Service calls by buttons: episodes of demo_recorder, resume and the way to the start pose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dp_ros.control.teleop.inputs import Action
from dp_ros_msgs.srv import StartEpisode, StopEpisode
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

_PATIENCE_NS = 5_000_000_000


class TeleopButtons:
    """Calls the service of a button and reports its answer; one at a time.

    :param say: function that gets a line for the person; ``task``: returns the task's name.
    """

    def __init__(self, node: Node, say: Callable[[str], None], task: Callable[[], str]) -> None:
        self._say = say
        self._task = task
        self._start = node.create_client(StartEpisode, 'demo_recorder/start')
        self._stop = node.create_client(StopEpisode, 'demo_recorder/stop')
        self._discard = node.create_client(Trigger, 'demo_recorder/discard')
        self._resume = node.create_client(Trigger, 'executor/resume')
        self._go_to_start = node.create_client(Trigger, 'executor/go_to_start')
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._pending: Future | None = None
        self._asked_ns = 0
        self._open = ''

    def press(self, actions: frozenset[Action]) -> None:
        """Do the actions of pressed buttons; of two actions of one button, the one that fits."""
        if Action.START in actions and not (self._open and Action.SUCCESS in actions):
            self._call(self._start, StartEpisode.Request(task=self._task()), self._started)
        elif Action.SUCCESS in actions or Action.FAILURE in actions:
            succeeded = Action.SUCCESS in actions
            said = partial(self._kept, 'a success' if succeeded else 'a failure')
            self._call(self._stop, StopEpisode.Request(succeeded=succeeded), said)
        elif Action.DISCARD in actions:
            self._call(self._discard, Trigger.Request(), self._discarded)
        elif Action.RESUME in actions:
            self._call(self._resume, Trigger.Request(), self._answered)
        elif Action.GO_TO_START in actions:
            self._call(self._go_to_start, Trigger.Request(), self._answered)

    def _call(self, client: Any, request: Any, answered: Callable[[Any], None]) -> None:
        now_ns = self._steady.now().nanoseconds
        recent = now_ns - self._asked_ns < _PATIENCE_NS
        if self._pending is not None and not self._pending.done() and recent:
            self._say('the last button has not been answered yet')
        elif not client.service_is_ready():
            self._say(f'no service {client.srv_name}: is its node running?')
        else:
            self._pending, self._asked_ns = client.call_async(request), now_ns
            self._pending.add_done_callback(lambda future: answered(future.result()))

    def _answered(self, response: Trigger.Response) -> None:
        self._say(f'executor: {response.message}')

    def _started(self, response: StartEpisode.Response) -> None:
        if response.success:
            self._open = response.episode
            warning = f'; {response.message}' if response.message else ''
            self._say(f'recording {response.episode}{warning}')
        else:
            self._say(f'not recording: {response.message}')

    def _kept(self, mark: str, response: StopEpisode.Response) -> None:
        name, self._open = self._open, ''
        if response.success:
            self._say(f'{name} kept as {mark}: {response.duration:.1f} s, {response.message}')
        else:
            self._say(f'nothing kept: {response.message}')

    def _discarded(self, response: Trigger.Response) -> None:
        self._open = ''
        self._say(response.message)
