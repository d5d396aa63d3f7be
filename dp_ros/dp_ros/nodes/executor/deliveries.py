# SPDX-License-Identifier: Apache-2.0
"""Measures how long messages take to their listeners, until all have acknowledged them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
import math
import threading
import time
from typing import Final

from rclpy.duration import Duration
from rclpy.publisher import Publisher

_LOOK: Final = 0.002  # rclpy waits for acknowledgements with all other threads held up: it polls.
_LONGEST: Final = 1.0  # A listener that was killed does not acknowledge any more [s].
_NOW: Final = Duration()


@dataclass(frozen=True)
class Delivery:
    """How long a message took, and may take [s]."""

    took: float
    allowed: float

    @property
    def late(self) -> bool:
        """Whether it took longer than it may."""
        return self.took > self.allowed


class Deliveries:
    """Times from sending on a reliable topic to the acknowledgement by every listener [s].

    The acknowledgement takes some milliseconds itself.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._sent, self._over = threading.Event(), threading.Event()
        self._since, self._allowed = 0.0, math.inf
        self._found: deque[Delivery] = deque(maxlen=16)
        self._thread = threading.Thread(target=self._watch, daemon=True, name='deliveries')
        self._thread.start()

    def sent(self, allowed: float = math.inf) -> None:
        """Begin to measure: a message was published, which may take ``allowed`` [s]."""
        if not self._sent.is_set():
            self._since, self._allowed = time.monotonic(), allowed
            self._sent.set()

    def taken(self) -> list[Delivery]:
        """Return the deliveries that were measured since the last call."""
        found = []
        while self._found:
            found.append(self._found.popleft())
        return found

    def close(self) -> None:
        """End the thread, before the publisher is destroyed."""
        self._over.set()
        self._sent.set()
        self._thread.join()

    def _watch(self) -> None:
        while self._sent.wait() and not self._over.is_set():
            took = time.monotonic() - self._since
            if took > _LONGEST or self._publisher.wait_for_all_acked(_NOW):
                self._found.append(Delivery(min(took, _LONGEST), self._allowed))
                self._sent.clear()
            else:
                self._over.wait(_LOOK)
