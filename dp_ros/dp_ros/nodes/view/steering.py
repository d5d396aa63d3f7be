# SPDX-License-Identifier: Apache-2.0
"""What pages ask for, done one after the other in the node's thread, logged and answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from dp_ros.nodes.view.control import Control
from dp_ros.nodes.view.page import Page
from dp_ros.nodes.view.remote import ERRORS, Remote, RemoteParameters
from dp_ros.ros.guard import note_failure
from rclpy.node import Node

Work = Callable[[], Awaitable[None]]
"""What to do."""


class Steering:
    """Takes wishes from the threads of the pages.

    :param allowed: function that tells whether pages may steer now.
    """

    def __init__(
        self, node: Node, page: Page, remote: Remote, allowed: Callable[[], bool]
    ) -> None:
        self._node, self._page, self.allowed = node, page, allowed
        self.remote = remote
        self.control = Control(False)
        self._posted: deque[Callable[[], None]] = deque()
        self._wake = node.create_guard_condition(self._work_off)
        self._values: dict[tuple[str, str], Any] = {}
        self.refused: Callable[[], None] = lambda: None

    def post(self, call: Callable[[], None]) -> None:
        """Call a function in the node's thread; from any thread."""
        self._posted.append(call)
        self._wake.trigger()

    def wish(self, page: int, what: str, work: Work) -> None:
        """Do something if this page has the control, from any thread."""
        self.post(lambda: self._admit(page, what, work))

    def stop(self, page: int) -> None:
        """Stop the arm at once, whoever has the control."""
        self.post(lambda: self._begin(page, 'emergency stop', self._trigger('executor/estop')))

    def press(self, page: int, what: str, service: str) -> None:
        """Call a service of another node."""
        self.wish(page, what, self._trigger(service))

    def set(self, page: int, parameters: RemoteParameters, name: str, value: Any) -> None:
        """Set a parameter; while one is being set, only the newest value waits."""
        key = (parameters.other, name)

        async def work() -> None:
            if key in self._values:
                await parameters.write(name, self._values.pop(key))

        is_waiting = key in self._values
        self._values[key] = value
        if not is_waiting:
            self.wish(page, f'{parameters.other} {name} = {value}', work)

    def take(self, page: int) -> None:
        """Give the control to a page."""
        self.post(lambda: self._take(page))

    def _trigger(self, service: str) -> Work:
        return lambda: self.remote.trigger(service)

    def _work_off(self) -> None:
        while self._posted:
            self._posted.popleft()()

    def _take(self, page: int) -> None:
        self.control.allowed = self.allowed()
        refusal = self.control.take(page)
        self._tell(page, 'control', refusal)

    def _admit(self, page: int, what: str, work: Work) -> None:
        self.control.allowed = self.allowed()
        refusal = self.control.admit(page)
        if refusal:
            self._values.clear()
            self._tell(page, what, refusal)
        else:
            self._begin(page, what, work)

    def _begin(self, page: int, what: str, work: Work) -> None:
        self._node.get_logger().info(f'page {page}: {what}')
        executor = self._node.executor
        assert executor is not None
        executor.create_task(self._do(page, what, work))

    async def _do(self, page: int, what: str, work: Work) -> None:
        try:
            await work()
        except ERRORS as error:
            self._tell(page, what, str(error))
        except Exception as error:
            note_failure(self._node, error)
            self._tell(page, what, f'{type(error).__name__}: {error}')

    def _tell(self, page: int, what: str, refusal: str) -> None:
        """Tell the page why something was refused, and let it show the true values again."""
        if refusal:
            self._node.get_logger().warning(f'page {page}: {what}: refused: {refusal}')
            self._page.notify(page, f'{what}: refused', refusal)
            self.refused()
