# SPDX-License-Identifier: Apache-2.0
"""A keyboard as a gamepad: keys of a terminal become axes and buttons of a Joy message.

A terminal repeats a key that is held, and does not report its release. So a key counts for a
moment, and for as long as it repeats.
"""

from __future__ import annotations

from typing import Final

from dp_ros.robot.units import NS

N_AXES: Final = 6
N_BUTTONS: Final = 21
"""Number of buttons, as joy's game_controller_node has them."""

_ENABLE: Final = 9
_ROTATE: Final = 10
_HELD_NS: Final = NS // 5
_SHARES: Final = (0.1, 0.25, 0.5, 1.0)

_ARROWS: Final = {'\x1b[A': 'w', '\x1b[B': 's', '\x1b[D': 'a', '\x1b[C': 'd'}
_MOVES: Final = {
    'w': (1, 1.0, False),
    's': (1, -1.0, False),
    'a': (0, 1.0, False),
    'd': (0, -1.0, False),
    'r': (3, 1.0, False),
    'f': (3, -1.0, False),
    'q': (2, 1.0, False),
    'e': (2, -1.0, False),
    'i': (1, 1.0, True),
    'k': (1, -1.0, True),
    'j': (0, 1.0, True),
    'l': (0, -1.0, True),
}
"""Axis, its value, and whether it tilts the tool."""
_BUTTONS: Final = {' ': 0, 'n': 6, 'y': 3, 'x': 1, '\x7f': 4, '\b': 4, 'c': 7, 'h': 2}

HELP: Final = """\
  w s   forward, back       i k   tilt forward, back     space      gripper
  a d   left, right         j l   tilt left, right       n          start an episode
  r f   up, down            q e   turn left, right       y  x       keep it: success, failure
  + -   faster, slower      c     resume after a stop    backspace  discard it
  h     go to start                                      Ctrl-C     end
"""


class Keys:
    """The keys that are held now."""

    def __init__(self) -> None:
        self._speed = len(_SHARES) - 1
        self._move: tuple[int, float, bool] | None = None
        self._until_ns = 0
        self._pressed: list[int] = []

    @property
    def share(self) -> float:
        """Share of the full speed."""
        return _SHARES[self._speed]

    def type(self, text: str, now_ns: int) -> None:
        """Take characters from the terminal."""
        for sequence, key in _ARROWS.items():
            text = text.replace(sequence, key)
        for key in text.lower():
            self._press(key, now_ns)

    def _press(self, key: str, now_ns: int) -> None:
        if key in _MOVES:
            self._move, self._until_ns = _MOVES[key], now_ns + _HELD_NS
        elif key in _BUTTONS:
            self._pressed.append(_BUTTONS[key])
        elif key in '+-':
            change = 1 if key == '+' else -1
            self._speed = min(len(_SHARES) - 1, max(0, self._speed + change))

    def joy(self, now_ns: int) -> tuple[list[float], list[int]]:
        """Return axes and buttons; each press of a button is in one answer, then released."""
        axes, buttons = [0.0] * N_AXES, [0] * N_BUTTONS
        if self._move is not None and now_ns < self._until_ns:
            axis, value, rotates = self._move
            axes[axis] = value * self.share
            buttons[_ENABLE], buttons[_ROTATE] = 1, int(rotates)
        for button in self._pressed:
            buttons[button] = 1
        self._pressed = []
        return axes, buttons
