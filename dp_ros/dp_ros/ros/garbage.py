# SPDX-License-Identifier: Apache-2.0
"""Collection of garbage at times when nobody waits: a full one takes up to 75 ms on a slow core.

What a node has loaded is set aside (`gc.freeze`), so that later collections visit only what came
since. While the arm moves, Python collects nothing by itself.
"""

from __future__ import annotations

import gc
from typing import Final

MOST: Final = 20_000
"""Number of objects that may gather during a motion; collecting them takes about 3 ms."""


class Garbage:
    """Keeps collections out of motions; those of a long motion are short and bounded."""

    def __init__(self) -> None:
        self._moving = False

    def set_aside(self) -> None:
        """Collect now, and leave what remains out of later collections."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def tick(self, moving: bool) -> None:
        """Tell whether the arm moves; call it regularly."""
        if moving and not self._moving:
            gc.disable()
        elif self._moving and not moving:
            gc.enable()
            gc.collect()
        elif moving and gc.get_count()[0] > MOST:
            gc.collect()
        self._moving = moving

    def close(self) -> None:
        """Leave Python as it was."""
        self.tick(moving=False)
        gc.unfreeze()
