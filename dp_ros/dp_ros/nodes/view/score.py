# SPDX-License-Identifier: Apache-2.0
"""The score board: how the last episodes ended, by policy."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

KEPT: Final = 200


@dataclass(frozen=True)
class Outcome:
    """How one episode ended: 'success', 'collision' or 'failure', and the way it took."""

    policy: str
    ending: str
    side: str = ''


@dataclass(frozen=True)
class Row:
    """Counts of a policy's episodes."""

    policy: str
    left: int
    right: int
    reached: int
    collided: int
    failed: int

    @property
    def total(self) -> int:
        """Number of episodes."""
        return self.reached + self.collided + self.failed


class ScoreBoard:
    """Counts the last episodes; each is counted once."""

    def __init__(self) -> None:
        self._outcomes: deque[Outcome] = deque(maxlen=KEPT)
        self._counted: tuple[int, float] | None = None

    def see(self, seed: int, elapsed: float, ending: str, side: str, policy: str) -> bool:
        """Take a status of an episode; return whether it has ended just now.

        :param elapsed: time since the episode's start [s]; when it goes back, another has begun.
        :param ending: how it ended, or an empty text while it runs.
        """
        if not ending:
            self._counted = None
            return False
        if self._counted is not None and self._counted[0] == seed and elapsed >= self._counted[1]:
            self._counted = seed, elapsed
            return False
        self._counted = seed, elapsed
        self._outcomes.append(Outcome(policy, ending, side))
        return True

    def clear(self) -> None:
        """Forget all episodes."""
        self._outcomes.clear()

    def rows(self) -> list[Row]:
        """Return the counts by policy, in the order of their first episode."""
        rows = []
        for policy in dict.fromkeys(each.policy for each in self._outcomes):
            mine = [each for each in self._outcomes if each.policy == policy]
            reached = [each for each in mine if each.ending == 'success']
            rows.append(
                Row(
                    policy,
                    sum(each.side == 'left' for each in reached),
                    sum(each.side == 'right' for each in reached),
                    len(reached),
                    sum(each.ending == 'collision' for each in mine),
                    sum(each.ending == 'failure' for each in mine),
                )
            )
        return rows
