# SPDX-License-Identifier: Apache-2.0
"""Failed callbacks are logged and counted; their node goes on.

This is the last resort of every node: a bad message should be refused by name before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import traceback
from typing import Any
from weakref import WeakKeyDictionary

from rclpy.context import Context
from rclpy.executors import (
    ConditionReachedException,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
    await_or_execute,
)
from rclpy.node import Node
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.task import Future

_THROTTLE = 5.0


@dataclass
class Failures:
    """Number of failed callbacks of a node, and the last error."""

    count: int = 0
    last: str = ''


_FAILURES: WeakKeyDictionary[Node, Failures] = WeakKeyDictionary()


def failures(node: Node) -> Failures:
    """Return the failures of a node so far."""
    return _FAILURES.setdefault(node, Failures())


def note_failure(node: Node, error: BaseException) -> None:
    """Count a failed callback and log its traceback, or one throttled line if it repeats.

    While the process ends nothing is noted: pybind11 turns an interrupt in a conversion into an
    error of its own.
    """
    if isinstance(node.executor, GuardedExecutor) and node.executor.ended():
        return
    found, text = failures(node), f'{type(error).__name__}: {error}'
    found.count += 1
    if text == found.last:
        node.get_logger().error(f'failed again: {text}', throttle_duration_sec=_THROTTLE)
        return
    found.last = text
    trace = ''.join(traceback.format_exception(error))
    node.get_logger().error(f'a callback failed, the node goes on:\n{trace}')


class GuardedExecutor(SingleThreadedExecutor):
    """Executor that goes on when a callback fails; a failed service answers with the error.

    :param ended: function that tells whether the process is ending; failures are then ignored.
    """

    def __init__(
        self, *, context: Context | None = None, ended: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__(context=context)
        self.ended = ended

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for a callback and call it."""
        self._step(timeout_sec, _never)

    def spin_once_until_future_complete(
        self, future: Future, timeout_sec: float | None = None
    ) -> None:
        """Wait for a callback or the future, and call the callback."""
        future.add_done_callback(lambda _: self.wake())
        self._step(timeout_sec, future.done)

    def _step(self, timeout_sec: float | None, condition: Callable[[], bool]) -> None:
        try:
            task, _, node = self.wait_for_ready_callbacks(timeout_sec, None, condition)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        task()
        error = task.exception()
        if error is not None:
            self._note(error, node)

    def _note(self, error: BaseException, node: Node | None) -> None:
        """Note a failure; without a node it counts for all nodes."""
        for each in [node] if node else self.get_nodes():
            note_failure(each, error)

    # A callback group stays busy for ever if rclpy fails between taking and calling.

    def _take_subscription(self, sub: Subscription) -> Any:
        try:
            return super()._take_subscription(sub)
        except Exception as error:
            return partial(_fail, error)

    def _take_service(self, srv: Service) -> Any:
        if not hasattr(srv.callback, 'answers_failures'):
            srv.callback = self._answering(srv)
        try:
            return super()._take_service(srv)
        except Exception as error:
            return partial(_fail, error)

    def _answering(self, srv: Service) -> Callable[..., Any]:
        callback = srv.callback

        async def answer(request: Any, response: Any) -> Any:
            try:
                return await await_or_execute(callback, request, response)
            except Exception as error:
                owner = [n for n in self.get_nodes() if srv in list(n.services)]
                self._note(error, owner[0] if owner else None)
                return _refusal(srv.srv_type.Response(), error)

        answer.answers_failures = True  # type: ignore[attr-defined]
        return answer


def _refusal(response: Any, error: Exception) -> Any:
    """Put the error into an answer with a field for it; `success` is false by default."""
    if hasattr(response, 'success') and hasattr(response, 'message'):
        response.message = f'failed: {type(error).__name__}: {error}: see the log of the node'
    return response


def _never() -> bool:
    return False


async def _fail(error: Exception) -> None:
    raise error
