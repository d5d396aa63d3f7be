# SPDX-License-Identifier: Apache-2.0
"""What the statistics promise, against published values, exact formulas and simulation."""

from fractions import Fraction
from itertools import combinations
import math

from dp_ros.tools.common.statistics import (
    ALPHA,
    anytime_interval,
    bootstrap,
    group_letters,
    hierarchical_bootstrap,
    log_capital,
    paired_test,
    probability_better,
    wilson,
)
import numpy as np
import pytest

COMPARISONS, SCENES = 10_000, 120


@pytest.mark.parametrize(
    ('successes', 'trials', 'interval'),
    [  # Brown, Cai, DasGupta 2001 and R's binom.confint(method = 'wilson')
        (0, 10, (0.0, 0.2775)),
        (10, 10, (0.7225, 1.0)),
        (95, 100, (0.8882, 0.9785)),
    ],
)
def test_wilson_interval_is_the_published_one(successes, trials, interval):
    assert wilson(successes, trials) == pytest.approx(interval, abs=1e-4)


def test_without_trials_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)
    assert anytime_interval([]) == pytest.approx((0.0, 1.0), abs=1e-6)
    test = paired_test([])
    assert (test.sign, test.decided_after, test.p_value) == (0, None, 1.0)
    assert (test.low, test.high) == pytest.approx((-1.0, 1.0), abs=1e-6)
    assert probability_better([]) == pytest.approx(0.5, abs=0.02)


def test_the_bootstrap_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    low, high = bootstrap(values.tolist())
    half = 1.96 * 0.1 / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.001)
    assert high == pytest.approx(values.mean() + half, abs=0.001)


def test_one_group_has_the_interval_of_its_rate():
    for successes, trials in ((30, 40), (50, 50), (0, 20)):
        low, high = hierarchical_bootstrap([successes], [trials])
        assert (low, high) == pytest.approx(wilson(successes, trials), abs=0.05)
        assert low < high


def test_groups_that_differ_widen_the_interval_of_their_mean():
    rng = np.random.default_rng(0)
    groups, trials = 30, 50
    successes = rng.binomial(trials, rng.beta(8, 4, groups))
    low, high = hierarchical_bootstrap(successes, [trials] * groups)
    rates = successes / trials
    # The variance within a group counts once in the spread of the rates, and once by itself.
    spread = math.sqrt((rates.var() + (rates * (1 - rates)).mean() / trials) / groups)
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.06)
    assert high - low > 1.4 * np.subtract(*wilson(successes.sum(), groups * trials)[::-1])


def test_each_group_counts_alike_whatever_its_number_of_trials():
    low, high = hierarchical_bootstrap([0, 10] * 20, [1000, 10] * 20)
    assert (low + high) / 2 == pytest.approx(0.49, abs=0.02)


def exact_probability(won, lost):
    """Posterior of theta > 1/2 for a binomial rate under a uniform prior, as a sum."""
    n = won + lost + 1
    return float(Fraction(sum(math.comb(n, k) for k in range(won + 1)), 2**n))


@pytest.mark.parametrize(('won', 'lost'), [(0, 0), (1, 0), (5, 0), (8, 3), (2, 9), (30, 20)])
def test_the_probability_of_being_better_is_the_exact_posterior(won, lost):
    differences = [1.0] * won + [-1.0] * lost + [0.0] * 17
    assert probability_better(differences) == pytest.approx(
        exact_probability(won, lost), abs=0.015
    )


def test_the_capital_is_the_mean_of_the_players():
    shares = (np.arange(32) + 0.5) / 32
    found = np.exp(log_capital(np.array([1.0, 0.5, 0.0]), 0.5))
    assert found == pytest.approx([np.mean(1 + shares)] * 2 + [np.mean(1 - shares**2)])


def test_no_bet_is_in_favour_of_the_player_if_the_claim_is_true():
    for mean in (0.03, 0.5, 0.9):
        won, lost = np.exp(log_capital(np.array([[1.0], [0.0]]), mean))[:, 0]
        assert mean * won + (1 - mean) * lost == pytest.approx(1.0)


def outcomes(first, second, together, scenes=SCENES, comparisons=COMPARISONS):
    """Simulate successes of two policies; ``together`` is how often luck is common to both."""
    rng = np.random.default_rng(2026)
    luck, own = rng.random((2, comparisons, scenes))
    common = rng.random((comparisons, scenes)) < together
    return (luck < first).astype(float) - (np.where(common, luck, own) < second)


def capitals(differences):
    """Return the larger of the two capitals of `paired_test` after each scene, as a logarithm."""
    shares = (1 + differences) / 2
    return np.maximum(log_capital(shares, 0.5), log_capital(1 - shares, 0.5))


@pytest.mark.parametrize(('rate', 'together'), [(0.5, 0.0), (0.9, 0.5)])
def test_equal_policies_are_told_apart_in_at_most_five_percent_at_all_stops_together(
    rate, together
):
    ever = (capitals(outcomes(rate, rate, together)) >= math.log(2 / ALPHA)).any(axis=1)
    assert ever.mean() <= ALPHA
    assert ever.mean() > ALPHA / 20  # The test is not so shy that it never decides.


def test_a_test_with_a_fixed_number_of_scenes_would_not_hold_at_all_stops():
    differences = outcomes(0.5, 0.5, 0.0, comparisons=2000)
    number = np.arange(1, SCENES + 1)
    z = differences.cumsum(axis=1) / np.sqrt(np.maximum((differences**2).cumsum(axis=1), 1))
    assert (np.abs(z[:, number >= 10]) > 1.96).any(axis=1).mean() > 3 * ALPHA


@pytest.mark.parametrize(
    ('first', 'second', 'scenes', 'power'),
    [(0.85, 0.39, 40, 0.9), (0.95, 0.75, 100, 0.85), (0.9, 0.8, 100, 0.2)],
)
def test_a_better_policy_is_found(first, second, scenes, power):
    differences = outcomes(first, second, 0.0, scenes, comparisons=1000)
    shares = (1 + differences) / 2
    assert (log_capital(shares, 0.5) >= math.log(2 / ALPHA)).any(axis=1).mean() >= power
    assert not (log_capital(1 - shares, 0.5) >= math.log(2 / ALPHA)).any(axis=1).mean() > 0.01


def test_common_luck_decides_earlier():
    apart, together = (
        (capitals(outcomes(0.9, 0.7, each, comparisons=1000)) >= math.log(2 / ALPHA)).any(axis=1)
        for each in (0.0, 0.9)
    )
    assert together.mean() > apart.mean() + 0.1


def test_the_verdict_comes_at_the_scene_that_decides_and_stays():
    once = paired_test([1.0] * 8)
    assert (once.sign, once.decided_after) == (1, 8)
    assert once.p_value <= ALPHA
    assert paired_test([1.0] * 7).sign == 0
    later = paired_test([1.0] * 8 + [-1.0] * 3)
    assert (later.sign, later.decided_after, later.p_value) == (1, 8, once.p_value)
    ties = paired_test([0.0, 1.0] * 8 + [0.0] * 5)
    assert (ties.sign, ties.decided_after) == (1, 16)
    other = paired_test([-1.0] * 8)
    assert (other.sign, other.decided_after, other.p_value) == (-1, 8, once.p_value)
    assert (other.low, other.high) == pytest.approx((-once.high, -once.low))


def test_a_smaller_level_needs_more():
    assert paired_test([1.0] * 8, ALPHA / 10).sign == 0


@pytest.mark.parametrize('seed', range(12))
def test_without_zero_in_the_interval_it_is_decided(seed):
    rng = np.random.default_rng(seed)
    differences = rng.choice([-1.0, -0.5, 0.0, 1.0], 40, p=[0.1, 0.1, 0.5, 0.3])
    test = paired_test(differences)
    assert (test.sign != 0) == (test.p_value <= ALPHA)
    assert test.sign == 1 or test.low <= 0
    assert test.sign == -1 or test.high >= 0
    assert test.low < differences.mean() < test.high


def test_the_interval_holds_at_all_times_together():
    rate, rng = 0.95, np.random.default_rng(0)
    values = (rng.random((COMPARISONS // 2, SCENES)) < rate).astype(float)
    above = log_capital(values, rate).max(axis=1) >= math.log(2 / ALPHA)
    below = log_capital(1 - values, 1 - rate).max(axis=1) >= math.log(2 / ALPHA)
    assert (above | below).mean() <= ALPHA  # The true rate is outside the interval.


def test_the_interval_is_where_no_capital_suffices():
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.5] * 8)
    low, high = anytime_interval(values)
    for end, side in ((low, values), (1 - high, 1 - values)):
        assert log_capital(side, end)[-1] == pytest.approx(math.log(2 / ALPHA), abs=1e-3)
    scaled = anytime_interval(4 * values - 1, -1.0, 3.0)
    assert scaled == pytest.approx((4 * low - 1, 4 * high - 1))


def test_the_interval_closes_in_on_the_mean():
    rng = np.random.default_rng(0)
    values = rng.random(1000) < 0.8
    widths = []
    for count in (30, 100, 1000):
        low, high = anytime_interval(values[:count].astype(float))
        assert low < 0.8 < high
        widths.append(high - low)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 2 * np.subtract(*wilson(int(values.sum()), 1000)[::-1])
    low, high = anytime_interval([1.0] * 100)
    assert low > 0.94 and high == pytest.approx(1.0)


def shares_letters(letters, different):
    return {
        pair: bool(set(letters[pair[0]]) & set(letters[pair[1]]))
        for pair in combinations(range(len(letters)), 2)
    } == {pair: pair not in different for pair in combinations(range(len(letters)), 2)}


@pytest.mark.parametrize(
    ('count', 'different', 'expected'),
    [
        (1, [], ['a']),
        (3, [], ['a', 'a', 'a']),
        (2, [(0, 1)], ['a', 'b']),
        (3, [(0, 2)], ['a', 'ab', 'b']),
        (3, [(0, 1), (0, 2), (1, 2)], ['a', 'b', 'c']),
        (4, [(0, 2), (0, 3), (1, 3)], ['a', 'ab', 'bc', 'c']),
    ],
)
def test_letters_of_groups(count, different, expected):
    assert group_letters(count, different) == expected


def test_letters_say_exactly_what_is_different():
    pairs = list(combinations(range(5), 2))
    for mask in range(2 ** len(pairs)):
        different = {pair for bit, pair in enumerate(pairs) if mask >> bit & 1}
        assert shares_letters(group_letters(5, different), different)
