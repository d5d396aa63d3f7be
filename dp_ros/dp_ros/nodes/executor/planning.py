# SPDX-License-Identifier: Apache-2.0
"""Plans a chunk's motion in a thread of its own; the node's thread stays free for stops."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from dp_ros.control.executor.chunk_executor import Planned, Request
from rclpy.node import Node


class Planning:
    """Plans one request at a time in a thread of its own.

    :param done: function that is called in the node's thread with the plan or its error.
    """

    def __init__(self, node: Node, done: Callable[[Future[Planned]], None]) -> None:
        self._done = done
        self._thread = ThreadPoolExecutor(1, 'plan')
        self._job: Future[Planned] | None = None
        self._finished = node.create_guard_condition(self._collect)

    @property
    def busy(self) -> bool:
        """Whether a request is being planned, or its plan is not handed back yet."""
        return self._job is not None

    def start(self, request: Request) -> None:
        """Plan a request; call it only while not `busy`."""
        self._job = self._thread.submit(request.plan)
        self._job.add_done_callback(lambda _: self._finished.trigger())

    def close(self) -> None:
        """End the thread, before the node is destroyed."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _collect(self) -> None:
        job = self._job
        if job is not None and job.done():
            self._job = None
            self._done(job)
