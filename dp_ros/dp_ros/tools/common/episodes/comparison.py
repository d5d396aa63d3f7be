# SPDX-License-Identifier: Apache-2.0
"""Several policies in the same scenes with the same noise: which is better, as figures and text.

The unit of all statistics is the scene, because runs of one scene are not independent. All that
is said here holds at any time, so episodes may be added until it is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from dp_ros.tools.common.episodes.summary import FAILURES, EpisodeResult
from dp_ros.tools.common.statistics import (
    ALPHA,
    anytime_interval,
    group_letters,
    paired_test,
    probability_better,
)
import numpy as np

Figures = Mapping[str, Any]
Runs = Mapping[str, Sequence[EpisodeResult]]
"""The completed episodes of each policy, by its name."""

_NAME: Final = 20
"""Most characters of a name in the text; a longer one loses its beginning."""


def compare(runs: Runs) -> list[dict[str, Any]]:
    """Compare each pair of policies by the scenes that both have completed.

    All decisions together are wrong with a probability of at most `ALPHA`: each of the tests has
    its equal share of it (Bonferroni), and so have the intervals of the differences.
    """
    pairs = list(combinations(runs, 2))
    return [_compare_two(runs, pair, ALPHA / len(pairs)) for pair in pairs]


def _compare_two(runs: Runs, pair: tuple[str, str], alpha: float) -> dict[str, Any]:
    wins = _differences([_successes(runs[name]) for name in pair])
    progress = _differences([_progress(runs[name]) for name in pair])
    test = paired_test(wins, alpha)
    return {
        'pair': list(pair),
        'scenes': len(wins),
        'wins': [sum(won > 0 for won in wins), sum(won < 0 for won in wins)],
        'success_difference': _mean(wins),
        'success_difference_95': _rounded((test.low, test.high)),
        'progress_difference': _mean(progress),
        'progress_difference_95': _rounded(anytime_interval(progress, -1.0, 1.0, alpha)),
        'probability_first_better': round(probability_better(wins), 4),
        'p_value': float(f'{test.p_value:.3g}'),
        'p_value_needed': round(alpha, 5),
        'better': {1: pair[0], -1: pair[1], 0: None}[test.sign],
        'decided_after': test.decided_after,
    }


def _successes(episodes: Iterable[EpisodeResult]) -> dict[tuple[int, int], float]:
    return {(e.seed, e.reroll): float(e.success) for e in episodes}


def _progress(episodes: Iterable[EpisodeResult]) -> dict[tuple[int, int], float]:
    return {(e.seed, e.reroll): e.progress for e in episodes if e.progress is not None}


def _differences(values: Sequence[Mapping[tuple[int, int], float]]) -> list[float]:
    """Return first minus second for each scene of both, the mean over its common noises."""
    first, second = values
    scenes: dict[int, list[float]] = {}
    for seed, reroll in sorted(set(first) & set(second)):
        difference = first[seed, reroll] - second[seed, reroll]
        scenes.setdefault(seed, []).append(difference)
    return [float(np.mean(each)) for each in scenes.values()]


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _rounded(interval: Iterable[float]) -> list[float]:
    return [round(end, 4) for end in interval]


def success_interval(episodes: Sequence[EpisodeResult]) -> list[float]:
    """Return the 95 % interval of the rate of success that holds however the episodes ended."""
    scenes: dict[int, list[float]] = {}
    for episode in episodes:
        scenes.setdefault(episode.seed, []).append(float(episode.success))
    return _rounded(anytime_interval([float(np.mean(each)) for each in scenes.values()]))


def undecided(comparisons: Iterable[Figures]) -> set[str]:
    """Return the policies that a comparison still needs."""
    return {name for each in comparisons if each['better'] is None for name in each['pair']}


def report(runs: Runs, summaries: Mapping[str, Figures]) -> dict[str, Any]:
    """Return all figures as a dict that JSON can hold.

    :param summaries: figures (`summarize`) of each policy.
    """
    comparisons = compare(runs)
    names = sorted(runs, key=lambda name: -summaries[name]['success_rate'])
    different = [
        (names.index(first), names.index(second))
        for first, second in (each['pair'] for each in comparisons if each['better'] is not None)
    ]
    groups = dict(zip(names, group_letters(len(names), different), strict=True))
    return {
        'policies': [
            {
                'policy': name,
                'group': groups[name],
                'anytime_95': success_interval(episodes),
                **summaries[name],
            }
            for name, episodes in runs.items()
        ],
        'comparisons': comparisons,
    }


def describe_report(found: Figures) -> str:
    """Return a report as tables of at most 80 columns."""
    policies = found['policies']
    parts = (
        _table(('success', '%', '    [95 %]', 'progress', 'group'), policies, _success),
        _table(('failures', *FAILURES, 'system'), policies, _failures),
        _table(('motion', 'log jerk', 'SPARC', 'side flips', 'violations'), policies, _motion),
        _table(('chunks', 'p50', 'p95 [ms]', 'late', 'of', 'speed'), policies, _chunks),
        '\n'.join(line for each in found['comparisons'] for line in _verdict(each)),
        _explanation(found),
    )
    return '\n\n'.join(parts)


def _table(head: Sequence[str], policies: Sequence[Figures], row: Any) -> str:
    widths = [max(9, len(title) + 2) for title in head[1:]]
    rows = [(head[0], head[1:]), *((short(each['policy']), row(each)) for each in policies)]
    return '\n'.join(
        f'{name:{_NAME}}'
        + ''.join(f'{cell:>{width}}' for cell, width in zip(cells, widths, strict=True))
        for name, cells in rows
    )


def short(name: str) -> str:
    """Return a name of at most 20 characters."""
    return name if len(name) <= _NAME else f'…{name[1 - _NAME :]}'


def _success(figures: Figures) -> Iterator[str]:
    count = len(figures['episodes'])
    yield f'{100 * figures["success_rate"]:.1f}' if count else '-'
    yield _percents(figures['anytime_95'])
    yield _number(figures['progress'], '.2f')
    yield figures['group']


def _failures(figures: Figures) -> Iterator[str]:
    for kind in (*FAILURES, 'system'):
        yield str(figures['failures'][kind])


def _motion(figures: Figures) -> Iterator[str]:
    yield _number(figures['smoothness']['ldlj'], '.1f')
    yield _number(figures['smoothness']['sparc'], '.2f')
    yield _number(figures['side_flips'], '.2f')
    yield str(figures['judge_violations'])


def _chunks(figures: Figures) -> Iterator[str]:
    for percentile in ('p50', 'p95'):
        yield _number(figures['latency_ms'][percentile], '.0f')
    yield str(figures['late_chunks'])
    yield str(figures['chunks'])
    yield _number(figures['real_time_factor'], '.2f')


def _number(value: float | None, form: str) -> str:
    return '-' if value is None else format(value, form)


def _percents(interval: Sequence[float], sign: str = '') -> str:
    low, high = (format(100 * end, f'{sign}.0f') for end in interval)
    return f'[{low}, {high}]'


def _verdict(each: Figures) -> Iterator[str]:
    first, second = each['pair']
    if each['better'] is None:
        yield f'{short(first)} or {short(second)}: not decided after {each["scenes"]} scenes'
    else:
        better, worse = (first, second) if each['better'] == first else (second, first)
        yield f'{short(better)} is better than {short(worse)} ({_when(each)})'
    if not each['scenes']:
        return
    won, lost = each['wins']
    yield (
        f'    success {100 * each["success_difference"]:+.0f} points '
        f'{_percents(each["success_difference_95"], "+")}, won {won} and lost {lost} of '
        f'{each["scenes"]} scenes'
    )
    if each['progress_difference'] is not None:
        low, high = each['progress_difference_95']
        yield f'    progress {each["progress_difference"]:+.2f} [{low:+.2f}, {high:+.2f}]'
    yield (
        f'    P({short(first)} is better) {each["probability_first_better"]:.3f}, '
        f'p {each["p_value"]:.2g}'
    )


def _when(each: Figures) -> str:
    return f'after {each["decided_after"]} scenes'


def _explanation(found: Figures) -> str:
    needed = found['comparisons'][0]['p_value_needed']
    return '\n'.join(
        (
            'Policies that share a letter (group) cannot be told apart yet. Differences are',
            'first minus second policy, in the same scenes with the same noise. A pair is',
            f'decided at p ≤ {needed:.2g}. Intervals and p hold at any time: it is allowed to',
            'look after each scene, and to stop when it is decided. Latencies are in real',
            'time; speed is that of the simulation as a multiple of it.',
        )
    )
