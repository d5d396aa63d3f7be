# SPDX-License-Identifier: Apache-2.0
"""Stopping by SIGINT or SIGTERM without losing what is being written."""

import signal
from types import FrameType


class StopRequest:
    """Notes that a signal came, any number of times.

    Raising from the handler could tear a message in two; and a launch file's Ctrl-C comes twice,
    from the terminal and from the launch.
    """

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
