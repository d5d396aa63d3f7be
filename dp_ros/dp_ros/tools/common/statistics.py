# SPDX-License-Identifier: Apache-2.0
"""How sure one can be of rates, of means, and of which of two policies is better.

Functions of numbers alone. Which of them holds when:

========================  ==================================================================
`wilson`                  a rate, if the number of trials was chosen before the first one
`bootstrap`               a mean of values, likewise
`hierarchical_bootstrap`  a mean of the rates of groups, as of several trainings of a method
`anytime_interval`        a mean of values in a range, whenever one looks and stops
`paired_test`             whether one of two policies is better, whenever one looks and stops
`probability_better`      the same as a probability, for readers who think in these
========================  ==================================================================

The two that hold whenever one stops are one game. Values x₁, x₂, … in [0, 1] come one after
the other, and somebody claims that the mean of each, given those before it, is at most m. We bet
against the claim: we begin with a capital of 1 and stake the share c of what we have, 0 < c < 1,
on the next value, which returns x/m times the stake. So

    capital = Π (1 + c · (xᵢ / m - 1))

If the claim is true, no bet is in our favour: the capital is a nonnegative supermartingale, and
so is the mean of the capitals of players with other shares c. By Ville's inequality (1939), such
a capital ever reaches K with a probability of at most 1/K. So whoever rejects the claim when the
capital reaches 1/α is wrong with a probability of at most α, over all moments together: one may
look after each value, and stop when it is decided. If the claim is false, the players with
suitable shares grow rich exponentially fast, and take the mean with them.

All m that are not rejected are an interval that holds at all times (Waudby-Smith and Ramdas 2024,
with fixed shares instead of adaptive ones). For two policies in the same scenes, x = (1 + d) / 2
with the difference d of their successes, and m = 1/2: a scene in which both succeed, or both fail,
costs and pays nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
import math
from typing import Final

from dp_ros.arrays import Array
import numpy as np

ALPHA: Final = 0.05
"""Probability of a wrong decision, and of an interval that misses."""

_RESAMPLES: Final = 10_000
_SHARES: Final = (np.arange(32) + 0.5) / 32
_HALVINGS: Final = 30


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a rate (Wilson 1927), 95 % by default."""
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    centre = rate + z * z / (2 * trials)
    spread = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a mean, by the percentiles of resampled means (Efron 1979)."""
    rng = np.random.default_rng(seed)
    return _middle(rng.choice(np.asarray(values), (_RESAMPLES, len(values))).mean(axis=1))


def hierarchical_bootstrap(
    successes: Sequence[int], trials: Sequence[int], seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the mean rate of groups, as of several trainings of a method.

    Groups are drawn with replacement, then a rate for each drawn group from what its trials say
    of it (Beta distribution, Jeffreys' prior): other groups would differ, and so would other
    trials of the same groups. Resampling the trials instead would take a group that always
    succeeds for certain. A few groups say little about others: with three, the interval covers
    less than 95 %.

    :param successes: number of successes of each group; ``trials``: number of its trials.
    """
    rng = np.random.default_rng(seed)
    won, count = np.asarray(successes), np.asarray(trials)
    drawn = rng.integers(len(won), size=(_RESAMPLES, len(won)))
    rates = rng.beta(won[drawn] + 0.5, (count - won)[drawn] + 0.5)
    return _middle(rates.mean(axis=1))


def _middle(values: Array) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def probability_better(differences: Sequence[float], seed: int = 0) -> float:
    """Return the probability that the mean of differences is positive, given these.

    By the Bayesian bootstrap (Rubin 1981), with one scene that was won and one that was lost added
    as the prior. For differences of -1, 0 and 1 this is the posterior probability that the first
    wins more than half of the scenes that only one wins, under a uniform prior.

    :param differences: success of the first minus success of the second, one per scene.
    """
    values = np.array([*differences, 1.0, -1.0])
    rng = np.random.default_rng(seed)
    means = [rng.standard_exponential(len(values)) @ values for _ in range(_RESAMPLES)]
    return float(np.mean(np.array(means) > 0))


def log_capital(values: Array, mean: float) -> Array:
    """Return the logarithm of the capital of a bet that the mean of values is above ``mean``.

    :param values: (..., n) values in [0, 1], in the order in which they came.
    :param mean: claimed upper bound of their mean, in (0, 1).
    :returns: (..., n) after each value; the capital at the start is 1.
    """
    gains = np.asarray(values, dtype=np.float64) / mean - 1.0
    total = np.full(gains.shape, -np.inf)
    for share in _SHARES:
        np.logaddexp(total, np.cumsum(np.log1p(share * gains), axis=-1), out=total)
    return total - math.log(len(_SHARES))


def anytime_interval(
    values: Sequence[float], low: float = 0.0, high: float = 1.0, alpha: float = ALPHA
) -> tuple[float, float]:
    """Return the interval of a mean that holds at all times together, with probability 1 - alpha.

    It contains the mean of the values, and their order does not matter.

    :param values: values in [low, high].
    """
    shares = (np.asarray(values, dtype=np.float64) - low) / (high - low)
    least, most = _least_mean(shares, alpha / 2), 1.0 - _least_mean(1.0 - shares, alpha / 2)
    return low + (high - low) * least, low + (high - low) * most


def _least_mean(values: Array, alpha: float) -> float:
    """Return the lowest mean that is not rejected; the higher it is, the less a bet pays."""
    rejected, kept = 0.0, 1.0
    for _ in range(_HALVINGS if len(values) else 0):
        middle = (rejected + kept) / 2
        if log_capital(values, middle)[-1] >= -math.log(alpha):
            rejected = middle
        else:
            kept = middle
    return rejected


@dataclass(frozen=True)
class PairedTest:
    """Whether the first or the second of two policies is better.

    :param sign: 1: the first, -1: the second, 0: not decided.
    :param decided_after: number of scenes after which it was decided; None: not yet.
    :param p_value: bound of the probability of such a result if none is better, at any time.
    :param low: lower end of the interval of the mean difference, at any time; ``high``: upper end.
    """

    sign: int
    decided_after: int | None
    p_value: float
    low: float
    high: float


def paired_test(differences: Sequence[float], alpha: float = ALPHA) -> PairedTest:
    """Test whether one of two policies is better, by bets on both; it may be done at any time.

    It is decided at the first scene after which one of the two capitals has reached 2/alpha, and
    that stays so, even if the interval of all scenes comes to contain 0 again. A wrong decision
    ever comes with a probability of at most ``alpha``.

    :param differences: success of the first minus success of the second, in [-1, 1], one per
        scene, in the order of the scenes. Scenes must have been drawn independently; runs of one
        scene are not independent, so give their mean.
    """
    shares = (1.0 + np.asarray(differences, dtype=np.float64)) / 2
    capitals = np.stack([log_capital(shares, 0.5), log_capital(1.0 - shares, 0.5)])
    low, high = anytime_interval(differences, -1.0, 1.0, alpha)
    reached = np.argwhere(capitals.T >= math.log(2 / alpha))
    best = float(np.max(capitals, initial=0.0))
    return PairedTest(
        sign=(0 if len(reached) == 0 else 1 if reached[0, 1] == 0 else -1),
        decided_after=None if len(reached) == 0 else int(reached[0, 0]) + 1,
        p_value=min(1.0, 2 * math.exp(-best)),
        low=low,
        high=high,
    )


def group_letters(count: int, different: Collection[tuple[int, int]]) -> list[str]:
    """Return letters such that two of ``count`` things share one unless they are different.

    The compact letter display by insertion and absorption (Piepho 2004): one group of all is split
    at each difference, and groups within others are dropped.

    :param different: pairs of numbers below ``count``.
    """
    groups = [frozenset(range(count))]
    for first, second in different:
        split = []
        for group in groups:
            both = first in group and second in group
            split += [group - {first}, group - {second}] if both else [group]
        unique = list(dict.fromkeys(split))
        groups = [group for group in unique if not any(group < other for other in unique)]
    groups.sort(key=sorted)
    return [
        ''.join(_letter(k) for k, group in enumerate(groups) if thing in group)
        for thing in range(count)
    ]


def _letter(index: int) -> str:
    return chr(ord('a') + index) if index < 26 else f'({index})'
