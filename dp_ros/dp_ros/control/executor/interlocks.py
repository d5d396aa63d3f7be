# SPDX-License-Identifier: Apache-2.0
"""Interlocks: named reasons that forbid the arm to move, each of which has to be cleared."""

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
    """Return the reason of the interlock `stop` that stays when another one is cleared."""
    return f'{cause}: that is over, call executor/resume to move'


class Phase(IntEnum):
    """Phase of the executor; the numbers are those of dp_ros_msgs/ExecutorStatus."""

    WAITING = 0
    RUNNING = 1
    BRAKING = 2
    PAUSED = 3
    STOPPED = 4
    INHIBITED = 5
    SHADOW = 6


class Interlocks:
    """The interlocks that are set; the arm may move while none is."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def __contains__(self, name: str) -> bool:
        return name in self._reasons

    def set(self, name: str, reason: str) -> None:
        """Set the interlock of a name, or replace its reason."""
        self._reasons[name] = reason

    def clear(self, *names: str) -> None:
        """Clear the interlocks of these names that are set."""
        for name in names:
            self._reasons.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the interlocks that are set, the oldest first."""
        return tuple(self._reasons)

    @property
    def reason(self) -> str:
        """All reasons in words."""
        return '; '.join(self._reasons.values())

    @property
    def phase(self) -> Phase:
        """Phase to report for an arm that is forbidden to move."""
        if EXECUTE in self:
            return Phase.SHADOW
        if self._reasons.keys() - {PAUSE, STOP}:
            return Phase.INHIBITED
        return Phase.STOPPED if STOP in self else Phase.PAUSED
