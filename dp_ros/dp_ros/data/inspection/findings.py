# SPDX-License-Identifier: Apache-2.0
"""What may be wrong with recorded episodes, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Verdict(Enum):
    """What is said of a data set."""

    OK = 'OK'
    LOOK = 'look at these'
    NOT_TRAINABLE = 'not trainable'


@dataclass(frozen=True)
class Finding:
    """One thing that may be wrong.

    :param kind: the same for several episodes' findings that are told as one.
    :param what: what it is, with the value; ``size``: how bad, against others of the kind.
    :param training: what training does about it.
    :param advice: what there is to do, empty where ``what`` says it.
    :param episode: its name, empty for the whole set.
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
    """What is worth a look.

    :param lost: share of messages, images or windows that an episode may lack.
    :param jitter: of the periods, as a share of them and in seconds; both have to be exceeded.
    :param frozen: share of equal images, or time that one may stay [s], while the arm moves.
    :param margin: to a limit of the FR3 [rad].
    :param still_start: standing still at the start [s]; ``still_end``: at the end.
    :param error: command against measurement [rad].
    :param range: least motion of a joint over all episodes [rad], of a finger [m].
    :param rate: how far an episode's rate may be from that of the others, as a share.
    :param score: robust z-score of an outlier (Iglewicz and Hoaglin 1993).
    :param spread: the least that counts as a deviation for it, as a share of the median.
    :param compared: the fewest episodes to compare with each other.
    :param episodes: the fewest to learn a task from.
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


LIMITS: Final = Thresholds()


def judge(findings: Sequence[Finding]) -> Verdict:
    """Sum up."""
    if any(finding.fatal for finding in findings):
        return Verdict.NOT_TRAINABLE
    return Verdict.LOOK if findings else Verdict.OK


def by_kind(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Group the findings that are told as one, the worst first; fatal groups come first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.kind, []).append(finding)
    ordered = [sorted(group, key=lambda found: -found.size) for group in groups.values()]
    return sorted(ordered, key=lambda group: not group[0].fatal)
