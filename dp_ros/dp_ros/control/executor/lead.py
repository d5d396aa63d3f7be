# SPDX-License-Identifier: Apache-2.0
"""Time from the acceptance of a chunk to its join: what planning and delivery took lately.

```
  accepted       planned  sent      delivered      join
  ───●──────────────●──────●────────────●───────────●───
     └── planning and message ──┘└──── on the way ───┘
     └───────────────────── lead ────────────────────┘
```

Until the join the arm does what it did before, so a longer lead costs reaction time only.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_LATELY: Final = 20  # Number of chunks.
_ON_THE_WAY: Final = 0.5  # Share of the shortest lead that is kept for a message's delivery.
_MARGIN: Final = 1.5


class Lead:
    """The lead, between a floor and a ceiling [s].

    :param ceiling: longest lead; below the floor, the floor.
    """

    def __init__(self, floor: float, ceiling: float) -> None:
        self._planning: deque[float] = deque(maxlen=_LATELY)
        self._delivery: deque[float] = deque(maxlen=_LATELY)
        self.bound(floor, ceiling)

    def bound(self, floor: float, ceiling: float) -> None:
        """Replace floor and ceiling [s]."""
        self._floor, self._ceiling = floor, max(floor, ceiling)

    def planned(self, seconds: float) -> None:
        """Note how long a chunk took from its acceptance until it was ready to be sent."""
        self._planning.append(seconds)

    def delivered(self, seconds: float) -> None:
        """Note how long a trajectory took to the controller."""
        self._delivery.append(seconds)

    @property
    def delivery(self) -> float:
        """Longest delivery lately [s]; NaN: none was measured."""
        return max(self._delivery, default=float('nan'))

    @property
    def on_the_way(self) -> float:
        """Time that is kept for a message's delivery [s]."""
        needed = max(_ON_THE_WAY * self._floor, _MARGIN * max(self._delivery, default=0.0))
        return min(needed, _ON_THE_WAY * self._ceiling)

    @property
    def time(self) -> float:
        """Lead of the next chunk [s]."""
        return self._bounded(_MARGIN * max(self._planning, default=0.0))

    @property
    def stop(self) -> float:
        """Lead of the next brake [s], which does not wait for a plan."""
        return self._bounded(_ON_THE_WAY * self._floor)

    def _bounded(self, before: float) -> float:
        return min(self._ceiling, max(self._floor, before + self.on_the_way))
