# SPDX-License-Identifier: Apache-2.0
"""Something in the scene that can be dragged over the table, such as the goal."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any, Final

_PERIOD: Final = 0.15  # Between two places that are asked for during a drag [s].
_SETTLED: Final = 0.6  # After this, what was not taken is put back [s].

Place = tuple[float, float, float]
"""Position x, y, z [m]."""


class Handle:
    """Asks for places as it is dragged, and shows the one that holds.

    :param height: where it is seen best [m].
    :param ask: function that gets the page and the wanted place.
    """

    def __init__(
        self, scene: Any, name: str, scale: float, height: float, ask: Callable[[int, Place], None]
    ) -> None:
        self._height, self._ask = height, ask
        self._asked = self._dragged = 0.0
        self._true: Place | None = None
        self._handle = scene.add_transform_controls(
            name,
            scale=scale,
            active_axes=(True, True, False),
            disable_rotations=True,
            depth_test=False,
            visible=False,
        )
        self._handle.on_update(self._on_drag)

    def show(self, place: Place) -> None:
        """Show where it is now, unless a person drags it elsewhere."""
        if place == self._true and self._handle.visible:
            return
        self._true = place
        self._handle.visible = True
        self.settle()

    def hide(self) -> None:
        """Show nothing: there is no such thing, or nobody may move it."""
        if self._handle.visible:
            self._handle.visible = False

    def settle(self) -> None:
        """Move to where it is, once nobody drags it."""
        if self._true is None or time.monotonic() - self._dragged <= _SETTLED:
            return
        wanted = (*self._true[:2], self._height)
        if tuple(self._handle.position) != wanted:
            self._handle.position = wanted

    def _on_drag(self, event: Any) -> None:
        since, self._dragged = time.monotonic() - self._asked, time.monotonic()
        if event.client_id is None or event.phase == 'start':
            return
        if event.phase == 'end' or since > _PERIOD:
            self._asked = self._dragged
            x, y, _ = (float(value) for value in self._handle.position)
            self._ask(event.client_id, (x, y, self._true[2] if self._true else 0.0))
