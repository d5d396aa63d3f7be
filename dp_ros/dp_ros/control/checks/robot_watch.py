# SPDX-License-Identifier: Apache-2.0
"""Watch the mode and the errors that a Franka robot reports."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from dp_ros.robot.units import NS


class Mode(IntEnum):
    """libfranka's robot mode."""

    OTHER = 0
    IDLE = 1
    MOVE = 2
    GUIDING = 3
    REFLEX = 4
    USER_STOPPED = 5
    RECOVERY = 6


_WORDS = {
    Mode.OTHER: 'the robot is in a mode in which it is not controlled',
    Mode.IDLE: 'the robot is idle: no controller moves it',
    Mode.GUIDING: 'the robot is guided by hand',
    Mode.REFLEX: 'reflex',
    Mode.USER_STOPPED: 'the user stop is pressed',
    Mode.RECOVERY: 'the robot recovers from an error',
}
_LATCHING = (Mode.REFLEX, Mode.USER_STOPPED, Mode.RECOVERY)


class RobotWatch:
    """The robot's mode, None while it is silent, and its fault, which is kept until `recovered`.

    A robot that never reported a mode is not watched: simulation and fake hardware have none.

    :param timeout: silence after a first report that counts as a fault [s].
    """

    def __init__(self, timeout: float) -> None:
        self.mode: Mode | None = None
        self.fault: str | None = None
        self.last_errors: tuple[str, ...] = ()
        self._timeout = timeout
        self._heard_ns = 0
        self._spoke = False

    def on_state(
        self, mode: int, errors: Sequence[str], last_errors: Sequence[str], now_ns: int
    ) -> None:
        """Take a report of the robot.

        :param errors: names of the errors that are set now.
        :param last_errors: names of the errors that ended the last motion.
        :param now_ns: time of a steady clock [ns].
        """
        self.mode = Mode(mode) if mode in set(Mode) else Mode.OTHER
        self.last_errors = tuple(last_errors)
        self._heard_ns, self._spoke = now_ns, True
        if self.mode in _LATCHING:
            names = errors or last_errors
            self.fault = _WORDS[self.mode] + (f' ({", ".join(names)})' if names else '')

    def inhibition(self, now_ns: int) -> str | None:
        """Return why the arm cannot be moved, or None."""
        if not self._spoke:
            return None
        silence = (now_ns - self._heard_ns) / NS
        if self.mode is not None and silence > self._timeout:
            self.mode = None
            silent = f'the robot is silent for {silence:.1f} s: its hardware may have stopped'
            self.fault = self.fault or silent
        if self.fault is not None:
            return f'{self.fault}: call executor/recover'
        if self.mode is None:
            return 'the robot is silent since it recovered'
        return None if self.mode is Mode.MOVE else _WORDS[self.mode]

    def recovered(self) -> None:
        """Forget the fault; only reports from now on count."""
        self.fault = self.mode = None
