# SPDX-License-Identifier: Apache-2.0
"""Measures how long messages take to their listeners, until all have acknowledged them."""

from __future__ import annotations

from collections import deque
import threading
import time
from typing import Final

from rclpy.duration import Duration
from rclpy.publisher import Publisher

_LOOK: Final = 0.002  # rclpy waits for acknowledgements with all other threads held up: it polls.
_LONGEST: Final = 1.0  # A listener that was killed does not acknowledge any more [s].
_NOW: Final = Duration()


class Deliveries:
    """Times from sending on a reliable topic to the acknowledgement by every listener [s].

    The acknowledgement takes some milliseconds itself.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._sent, self._over = threading.Event(), threading.Event()
        self._since = 0.0
        self._took: deque[float] = deque(maxlen=16)
        self._thread = threading.Thread(target=self._watch, daemon=True, name='deliveries')
        self._thread.start()

    def sent(self) -> None:
        """Begin to measure: a message was published."""
        if not self._sent.is_set():
            self._since = time.monotonic()
            self._sent.set()

    def taken(self) -> list[float]:
        """Return the times that were measured since the last call [s]."""
        found = []
        while self._took:
            found.append(self._took.popleft())
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
                self._took.append(min(took, _LONGEST))
                self._sent.clear()
            else:
                self._over.wait(_LOOK)
