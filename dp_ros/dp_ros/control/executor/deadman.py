# SPDX-License-Identifier: Apache-2.0
"""A button that has to be held for the arm to move."""

from __future__ import annotations

from collections.abc import Sequence

from dp_ros.robot.units import NS


class Deadman:
    """Watches one button of a gamepad; times are those of a steady clock.

    A button that was already down when the first message came, or when messages came again after
    a silence, counts only once it has been released: it may be jammed.

    :param button: index of the button in sensor_msgs/Joy; negative: no button is needed.
    :param timeout: time without messages after which the button counts as released [s].
    """

    def __init__(self, button: int, timeout: float) -> None:
        self._button = button
        self._timeout = timeout
        self._last_ns: int | None = None
        self._down = self._was_up = False
        self._n_buttons = 0

    def on_buttons(self, buttons: Sequence[int], now_ns: int) -> None:
        """Take the state of all buttons, 1 where one is down."""
        if self._silence(now_ns) > self._timeout:
            self._was_up = False
        self._last_ns = now_ns
        self._n_buttons = len(buttons)
        self._down = 0 <= self._button < len(buttons) and buttons[self._button] == 1
        self._was_up |= not self._down

    def reason(self, now_ns: int) -> str | None:
        """Return why the arm must not move, or None."""
        silence, button = self._silence(now_ns), self._button
        if button < 0:
            return None
        if self._last_ns is None:
            return f'nothing on joy, whose button {button} has to be held: is joy_node running?'
        if silence > self._timeout:
            return f'nothing on joy for more than {self._timeout} s'
        if button >= self._n_buttons:
            return f'deadman_button = {button}: joy has only {self._n_buttons} buttons'
        if not self._down:
            return f'hold button {button} of joy to move'
        return None if self._was_up else f'release button {button} of joy, then hold it'

    def _silence(self, now_ns: int) -> float:
        return 0.0 if self._last_ns is None else (now_ns - self._last_ns) / NS
