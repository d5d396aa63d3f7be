# SPDX-License-Identifier: Apache-2.0
"""Waiting for a lifecycle node that another process starts."""

from __future__ import annotations

import math
import time

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.node import Node
from rclpy.task import Future

_ASK_EVERY = 1.0
_ASK_AGAIN = 10.0  # An answer is lost if the server discovers its client late.
_REFUSALS = 5


class LoadingFailed(RuntimeError):
    """A node runs, but did not become active."""


class Loading:
    """A lifecycle node that becomes active by itself, or fails to."""

    def __init__(self, node: Node, name: str) -> None:
        self.name = name
        self._client = node.create_client(GetState, f'{name}/get_state')
        self._asked = -math.inf
        self._future: Future | None = None
        self._active, self._refusals = False, 0

    def is_active(self) -> bool:
        """Tell whether it has reported to be active; while it loads it does not answer.

        :raises LoadingFailed: when it repeatedly reports another state.
        """
        if self._future is not None and self._future.done():
            self._hear(self._future.result().current_state)
            self._future = None
        patience = _ASK_EVERY if self._future is None else _ASK_AGAIN
        if time.monotonic() - self._asked > patience and self._client.service_is_ready():
            self._asked = time.monotonic()
            self._future = self._client.call_async(GetState.Request())
        return self._active

    def _hear(self, state: State) -> None:
        self._active = state.id == State.PRIMARY_STATE_ACTIVE
        self._refusals += not self._active
        if self._refusals >= _REFUSALS:
            raise LoadingFailed(f'{self.name} is {state.label}, not active: its log says why')
