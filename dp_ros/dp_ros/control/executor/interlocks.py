# SPDX-License-Identifier: Apache-2.0
"""What forbids the arm to move: named reasons, of which each has to be taken back."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

PAUSE: Final = 'pause'
STOP: Final = 'stop'
EXECUTE: Final = 'execute'
SPEED: Final = 'speed_scale'
ESTOP: Final = 'estop'
DEADMAN: Final = 'deadman'
PUBLISHERS: Final = 'publishers'


def stop_after(cause: str) -> str:
    """Return the reason of the interlock `stop` that is left when what held the arm is over."""
    return f'{cause}: that is over, call executor/resume to move'


class Phase(IntEnum):
    """What the executor is doing; the numbers are those of dp_ros_msgs/ExecutorStatus."""

    WAITING = 0
    RUNNING = 1
    BRAKING = 2
    PAUSED = 3
    STOPPED = 4
    INHIBITED = 5
    SHADOW = 6


class Interlocks:
    """The arm may move while there is none."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def __contains__(self, name: str) -> bool:
        return name in self._reasons

    def set(self, name: str, reason: str) -> None:
        """Forbid motion under a name, or replace the reason that is under it."""
        self._reasons[name] = reason

    def clear(self, *names: str) -> None:
        """Take back what is forbidden under these names, if anything is."""
        for name in names:
            self._reasons.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, the oldest first."""
        return tuple(self._reasons)

    @property
    def reason(self) -> str:
        """All reasons in words, for a user who has to take each of them back."""
        return '; '.join(self._reasons.values())

    @property
    def phase(self) -> Phase:
        """How to show an arm that is forbidden to move."""
        if EXECUTE in self:
            return Phase.SHADOW
        if self._reasons.keys() - {PAUSE, STOP}:
            return Phase.INHIBITED
        return Phase.STOPPED if STOP in self else Phase.PAUSED
