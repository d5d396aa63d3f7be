# SPDX-License-Identifier: Apache-2.0
"""Choice of whose chunks the arm follows, and messages about other commanders.

```
  teleop/chunk   ──────●──●──●──●──●─────────────────────────
  policy/chunk   ──●──────○─────○─────○─────○─────●─────●────    ○ left out
                                   └────── HOLD ───────┘
```

A person takes over with the first chunk of the teleoperation, even a refused one: the policy's
chunks are left out from then on. The policy goes on when the teleoperation has sent nothing for
`HOLD`. To keep the policy off for longer, deactivate it.

The way to the start pose takes the arm from the policy likewise, and keeps the policy off until
`executor/resume`. A person ends it with the first chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from dp_ros.robot.units import NS

POLICY: Final = 'policy'
TELEOP: Final = 'teleop'
START: Final = 'start'
HOLD: Final = 1.0
"""Time after the teleoperation's last chunk during which the policy's are left out [s]."""

_UNKNOWN: Final = '_NODE_NAME_UNKNOWN_'
_LINGERS: Final = 'one that was killed is forgotten within 20 s'


class Sources:
    """Policy, teleoperation and the way to the start; one at a time has the arm."""

    def __init__(self) -> None:
        self.owner = ''
        """Source of the last chunk that was not left out; empty before the first."""
        self.left_out = 0
        """Number of the policy's chunks that were left out."""
        self._teleop_ns: int | None = None

    def admit(self, source: str, now_ns: int) -> bool:
        """Tell whether a chunk that comes now from a source is to be followed."""
        if source == TELEOP:
            self._teleop_ns = now_ns
        elif source == POLICY and (self.owner == START or self._teleop_speaks(now_ns)):
            self.left_out += 1
            return False
        self.owner = source
        return True

    def let_go(self) -> None:
        """End the time in which the way to the start pose keeps the policy off."""
        if self.owner == START:
            self.owner = ''

    def _teleop_speaks(self, now_ns: int) -> bool:
        # A clock that was set back says nothing about how long the silence lasts.
        return self._teleop_ns is not None and 0 <= now_ns - self._teleop_ns < HOLD * NS


def others(publishers: Sequence[str], own: str) -> list[str]:
    """Return full names of publishing nodes without one that is called ``own``."""
    left = list(publishers)
    if own in left:
        left.remove(own)
    return left


def second_commander(topic: str, strangers: Sequence[str]) -> str | None:
    """Name the nodes besides the executor that can command the arm, or return None."""
    if not strangers:
        return None
    return f'{listed(strangers)} may command the arm too, on {topic}: end it ({_LINGERS})'


def second_source(topic: str, publishers: Sequence[str]) -> str | None:
    """Name the nodes that publish on a topic where only one may, or return None."""
    if len(publishers) < 2:
        return None
    return f'{listed(publishers)} all publish on {topic}: end all but one ({_LINGERS})'


def foreign_command(topic: str, strangers: Sequence[str]) -> str:
    """Return the text that another node commanded the arm."""
    who = listed(strangers) if strangers else 'a node that is gone already'
    return f'{who} commanded the arm on {topic}: end it, then call executor/resume when it rests'


def listed(names: Sequence[str]) -> str:
    """Join full names of nodes with 'and', repeated ones as '2 × name'."""
    counts = Counter('a node without a name' if _UNKNOWN in name else name for name in names)
    return ' and '.join(f'{n} × {name}' if n > 1 else name for name, n in sorted(counts.items()))
