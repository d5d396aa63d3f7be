# SPDX-License-Identifier: Apache-2.0
"""The goal as something to drag over the table."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any, Final

_PERIOD: Final = 0.15  # Between two goals that are asked for during a drag [s].
_SETTLED: Final = 0.6  # After this, a goal that was not taken is put back [s].


class GoalHandle:
    """Asks for goals as it is dragged, and shows the one that holds.

    :param ask: function that gets the page and the wanted x, y and z [m].
    """

    def __init__(self, scene: Any, ask: Callable[[int, tuple[float, float, float]], None]) -> None:
        self._ask = ask
        self._asked = self._dragged = 0.0
        self._true: tuple[float, float, float] | None = None
        self._handle = scene.add_transform_controls(
            '/goal',
            scale=0.18,
            active_axes=(True, True, False),
            disable_rotations=True,
            depth_test=False,
            visible=False,
        )
        self._handle.on_update(self._on_drag)

    def show(self, position: tuple[float, float, float]) -> None:
        """Show where the goal is now, unless a person drags it elsewhere."""
        self._true = position
        self._handle.visible = True
        self.settle()

    def settle(self) -> None:
        """Move to where the goal is, once nobody drags it."""
        if self._true is not None and time.monotonic() - self._dragged > _SETTLED:
            x, y, _ = self._true
            self._handle.position = (x, y, 0.0)  # Where it is seen best: on the table.

    def _on_drag(self, event: Any) -> None:
        since, self._dragged = time.monotonic() - self._asked, time.monotonic()
        if event.client_id is None or event.phase == 'start':
            return
        if event.phase == 'end' or since > _PERIOD:
            self._asked = self._dragged
            x, y, _ = (float(value) for value in self._handle.position)
            self._ask(event.client_id, (x, y, self._true[2] if self._true else 0.0))
