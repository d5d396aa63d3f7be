# SPDX-License-Identifier: Apache-2.0
"""Findings about recorded episodes, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Verdict(Enum):
    """Verdict on a data set."""

    OK = 'OK'
    LOOK = 'look at these'
    NOT_TRAINABLE = 'not trainable'


@dataclass(frozen=True)
class Finding:
    """One thing that may be wrong with an episode or with the whole set.

    :param kind: kind of the finding; those of one kind are reported together.
    :param what: text that names the thing and its value.
    :param size: severity, comparable with findings of the same kind.
    :param training: text that says what training does about it.
    :param advice: text that says what to do, empty where ``what`` does.
    :param episode: name of the episode, empty for the whole set.
    :param fatal: whether training is refused.
    """

    kind: str
    what: str
    size: float
    training: str
    advice: str
    episode: str = ''
    fatal: bool = False


@dataclass(frozen=True)
class Thresholds:
    """Thresholds beyond which a figure becomes a finding.

    :param lost: share of messages, images or windows that an episode may lack.
    :param jitter: jitter as a share of the period, and in seconds; both have to be exceeded.
    :param frozen: share of images equal to the one before, and time of one freeze [s], while the
        arm moves.
    :param margin: distance to a limit of the FR3 [rad].
    :param still_start: time without motion at the start [s]; ``still_end``: at the end.
    :param error: difference of command and measurement [rad].
    :param range: smallest range of a joint over all episodes [rad], of a finger [m].
    :param rate: difference of an episode's rate from the median one, as a share of it.
    :param score: robust z-score of an outlier (Iglewicz and Hoaglin 1993).
    :param spread: smallest deviation that the score divides by, as a share of the median.
    :param compared: smallest number of episodes to compare with each other.
    :param episodes: smallest number of episodes to learn a task from.
    :param idle: share of all recorded time before the arm moves.
    :param ahead: distance of commands from later positions below which they repeat them [rad].
    :param way: share of the episodes that go the rarer of two ways.
    """

    lost: float = 0.02
    jitter: tuple[float, float] = (0.25, 0.01)
    frozen: tuple[float, float] = (0.1, 0.25)
    margin: float = 0.05
    still_start: float = 1.5
    still_end: float = 3.0
    error: float = 0.1
    range: float = 0.01
    rate: float = 0.2
    score: float = 3.5
    spread: float = 0.05
    compared: int = 5
    episodes: int = 10
    idle: float = 0.1
    ahead: float = 2e-4
    way: float = 0.2


LIMITS: Final = Thresholds()


def judge(findings: Sequence[Finding]) -> Verdict:
    """Return the verdict that follows from findings."""
    if any(finding.fatal for finding in findings):
        return Verdict.NOT_TRAINABLE
    return Verdict.LOOK if findings else Verdict.OK


def by_kind(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Group findings by kind, in each the worst first; fatal groups come first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.kind, []).append(finding)
    ordered = [sorted(group, key=lambda found: -found.size) for group in groups.values()]
    return sorted(ordered, key=lambda group: not group[0].fatal)
