# SPDX-License-Identifier: Apache-2.0
"""Plans a chunk's motion, and makes its message, in a thread of its own.

The node's thread stays free for stops. What is left to do there is to read the clock and to send.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
import time
from typing import Final

from dp_ros.control.executor.request import Planned, Request, Spent
from dp_ros.robot.trajectory import Trajectory
from dp_ros.ros.conversions import trajectory_to_msg
import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

_ANY: Final = Trajectory(('joint',), 0, np.zeros(1), np.zeros((1, 1)))


@dataclass(frozen=True)
class Prepared:
    """A plan and its message, ready to be sent."""

    planned: Planned
    message: JointTrajectory
    spent: Spent


class Planning:
    """Plans one request at a time in a thread of its own.

    :param done: function that is called in the node's thread with the plan or its error.
    """

    def __init__(self, node: Node, done: Callable[[Future[Prepared]], None]) -> None:
        self._clock = node.get_clock()
        self._done = done
        self._thread = ThreadPoolExecutor(1, 'plan')
        self._thread.submit(trajectory_to_msg, _ANY)  # The first one is slow.
        self._job: Future[Prepared] | None = None
        self._finished = node.create_guard_condition(self._collect)

    @property
    def busy(self) -> bool:
        """Whether a request is being planned, or its plan is not handed back yet."""
        return self._job is not None

    def start(self, request: Request) -> None:
        """Plan a request; call it only while not `busy`."""
        self._job = self._thread.submit(self._prepare, request)
        self._job.add_done_callback(lambda _: self._finished.trigger())

    def close(self) -> None:
        """End the thread, before the node is destroyed."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, request: Request) -> Prepared:
        begin, computed = time.monotonic(), time.thread_time()
        planned = request.plan()
        middle, computed = time.monotonic(), time.thread_time() - computed
        planned_ns = int(self._clock.now().nanoseconds)
        message = trajectory_to_msg(planned.trajectory)
        spent = Spent(planned_ns, middle - begin, computed, time.monotonic() - middle)
        return Prepared(planned, message, spent)

    def _collect(self) -> None:
        job = self._job
        if job is not None and job.done():
            self._job = None
            self._done(job)
