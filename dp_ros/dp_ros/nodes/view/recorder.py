# SPDX-License-Identifier: Apache-2.0
"""Episodes of the recorder of demonstrations: start, keep or discard them, and their counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticStatus
from dp_ros.nodes.view import texts
from dp_ros.nodes.view.page import Page
from dp_ros.nodes.view.remote import Refused
from dp_ros.nodes.view.steering import Steering
from dp_ros.ros.asking import ask
from dp_ros_msgs.srv import StartEpisode, StopEpisode
from rclpy.node import Node
from std_srvs.srv import Trigger

_PATIENCE: Final = 10.0
_NAME: Final = 'demo_recorder'


class RecorderPanel:
    """A part of the tab *Arm*, where a recorder is there.

    :param scene: function that returns the seed of the simulated scene, or None on an arm.
    """

    def __init__(
        self, node: Node, page: Page, steering: Steering, scene: Callable[[], int | None]
    ) -> None:
        self._node, self._page, self._steering, self._scene = node, page, steering, scene
        self._full_name = node.resolve_service_name(_NAME)
        self._start = node.create_client(StartEpisode, f'{_NAME}/start')
        self._stop = node.create_client(StopEpisode, f'{_NAME}/stop')
        self._discard = node.create_client(Trigger, f'{_NAME}/discard')
        self._add()

    def hear(self, status: DiagnosticStatus) -> None:
        """Show what the recorder reports, among the reports of all nodes."""
        if status.name == self._full_name:
            values = {each.key: each.value for each in status.values}
            html = texts.recorder_card(status.message, values)
            if self._counts.content != html:
                self._counts.content = html

    def look(self) -> None:
        """Show the part while there is a recorder."""
        ready = self._start.service_is_ready()
        if self.folder.visible != ready:
            self.folder.visible = ready

    def _add(self) -> None:
        gui = self._page.server.gui
        with gui.add_folder('Recorder', visible=False) as self.folder:
            self._counts = gui.add_html('')
            self.task = gui.add_text('In words', '', hint='What the demonstration shows.')
            self.start = gui.add_button('Start an episode', icon='player-record')
            self.keep = gui.add_button('Keep: success', icon='check')
            self.keep_failure = gui.add_button('Keep: failure', icon='x')
            self.discard = gui.add_button('Discard', icon='trash')
        for button, what, work in (
            (self.start, 'start an episode', self._begin),
            (self.keep, 'keep the episode as a success', partial(self._end, True)),
            (self.keep_failure, 'keep the episode as a failure', partial(self._end, False)),
            (self.discard, 'discard the episode', self._drop),
        ):
            self._press(button, what, work)

    def _press(self, button: Any, what: str, work: Callable[[int], Any]) -> None:
        self._page.on_press(button, lambda who: self._steering.wish(who, what, partial(work, who)))

    async def _begin(self, page: int) -> None:
        scene = self._scene()
        request = StartEpisode.Request(task=self.task.value)
        if scene is not None:
            request.keys, request.values = ['seed'], [str(scene)]
        answer = await self._ask(self._start, request)
        self._tell(page, f'recording {answer.episode}', answer.message)

    async def _end(self, succeeded: bool, page: int) -> None:
        answer = await self._ask(self._stop, StopEpisode.Request(succeeded=succeeded))
        how = 'a success' if succeeded else 'a failure'
        self._tell(page, f'kept as {how}, {answer.duration:.1f} s', answer.message)

    async def _drop(self, page: int) -> None:
        answer = await self._ask(self._discard, Trigger.Request())
        self._tell(page, answer.message)

    async def _ask(self, client: Any, request: Any) -> Any:
        answer = await ask(self._node, _PATIENCE, client, request)
        if not answer.success:
            raise Refused(answer.message)
        return answer

    def _tell(self, page: int, *parts: str) -> None:
        self._page.notify(page, 'recorder', '; '.join(filter(None, parts)), 'green')
