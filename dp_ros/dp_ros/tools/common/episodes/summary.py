# SPDX-License-Identifier: Apache-2.0
"""Figures of an evaluation from its episodes, without ROS and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
import math
from typing import Any, Final

from dp_ros.sim.clock import slowness
from dp_ros.tools.common.motion_figures import MotionFigures
from dp_ros.tools.common.statistics import wilson
import numpy as np

FAILURES: Final = ('collision', 'time', 'dropped')
"""Ways to fail: to touch something, to need too long, to let go of the object elsewhere."""

_MISSES: Final = 10  # Most misses that the text explains.


@dataclass(frozen=True)
class EpisodeResult:
    """Result of one episode; its fields are the keys of `episodes` in the JSON.

    :param side: side that was taken, '' where that was left open.
    :param final_distance_m: distance of the TCP or the moved object from the goal at the end [m].
    :param judge_violations: number of samples of the 1 kHz commands that an FR3 would refuse.
    :param miss: why it was no success, '' for a success.
    :param smoothness: figures of the commanded motion; None: there is no expert to compare with.
    :param side_flips: how often the side that chunks lead to changed; None: not known.
    :param reroll: number of the policy's noise for the scene of the seed.
    :param progress: share of the task that was done at the end, 1 for a success; None: not known.
    :param failure: kind of the failure (`FAILURES`), '' for a success.
    """

    seed: int
    success: bool
    side: str
    collision: bool
    final_distance_m: float
    duration_s: float
    judge_violations: int
    miss: str = ''
    smoothness: MotionFigures | None = None
    side_flips: int | None = None
    reroll: int = 0
    progress: float | None = None
    failure: str = ''


@dataclass(frozen=True)
class EpisodeTiming:
    """Timing of the chunks of one episode.

    :param latencies_ms: real times from observation stamp to published chunk, one per chunk.
    :param real_time_factor: simulated time per real time; NaN: not known.
    :param max_velocity_step_rad_s: largest change of the commanded velocity within 1 ms where
        one trajectory replaced another.
    """

    latencies_ms: tuple[float, ...]
    chunks: int
    late_chunks: int
    max_velocity_step_rad_s: float
    real_time_factor: float = 1.0


@dataclass(frozen=True)
class Fault:
    """An attempt at an episode that a fault of the system ended, not the policy."""

    seed: int
    reason: str
    reroll: int = 0


def summarize(
    episodes: Sequence[EpisodeResult],
    timings: Sequence[EpisodeTiming],
    peak_rss_mb: Mapping[str, float],
    faults: Sequence[Fault] = (),
) -> dict[str, Any]:
    """Return the figures as a dict that JSON can hold.

    :param episodes: episodes that ran to their end; rates are only over these.
    :param faults: attempts that did not; most of them were repeated.
    """
    completed = {(episode.seed, episode.reroll) for episode in episodes}
    lost = {(fault.seed, fault.reroll) for fault in faults} - completed
    successes = sum(episode.success for episode in episodes)
    sides = Counter(episode.side for episode in episodes if episode.side)
    latencies = [latency for timing in timings for latency in timing.latencies_ms]
    return {
        'success_rate': successes / len(episodes) if episodes else 0.0,
        'wilson_95': [round(bound, 4) for bound in wilson(successes, len(episodes))],
        'progress': _mean(e.progress for e in episodes if e.progress is not None),
        'failures': {
            **{kind: sum(episode.failure == kind for episode in episodes) for kind in FAILURES},
            'system': len(faults),
        },
        'sides': dict(sorted(sides.items())),
        'rerolls': _rerolls(episodes),
        'collisions': sum(episode.collision for episode in episodes),
        'judge_violations': sum(episode.judge_violations for episode in episodes),
        'latency_ms': {'p50': _percentile(latencies, 50), 'p95': _percentile(latencies, 95)},
        'chunks': sum(timing.chunks for timing in timings),
        'late_chunks': sum(timing.late_chunks for timing in timings),
        'max_velocity_step_rad_s': max(
            (timing.max_velocity_step_rad_s for timing in timings), default=0.0
        ),
        'smoothness': _smoothness([episode.smoothness for episode in episodes]),
        'side_flips': _mean(e.side_flips for e in episodes if e.side_flips is not None),
        'real_time_factor': _mean(timing.real_time_factor for timing in timings),
        'faults': [asdict(fault) for fault in faults],
        'system_faults': [fault.reason for fault in faults],
        'not_completed': sorted({seed for seed, _ in lost}),
        'peak_rss_mb': dict(peak_rss_mb),
        'episodes': [asdict(episode) for episode in episodes],
    }


def _rerolls(episodes: Sequence[EpisodeResult]) -> dict[str, int] | None:
    """Count the scenes in which only the noise made the difference between two successful ways.

    :returns: None where no scene was run more than once.
    """
    sides: dict[int, set[str]] = {episode.seed: set() for episode in episodes}
    for episode in episodes:
        if episode.success:
            sides[episode.seed].add(episode.side)
    runs = max(Counter(episode.seed for episode in episodes).values(), default=0)
    if runs < 2:
        return None
    both = sum(len(ways) > 1 for ways in sides.values())
    return {'runs': runs, 'scenes': len(sides), 'both_ways': both}


def _smoothness(episodes: Sequence[MotionFigures | None]) -> dict[str, float | None]:
    """Return the median of each figure over the episodes that have them."""
    known = [asdict(episode) for episode in episodes if episode is not None]
    return {
        field.name: round(float(np.median([each[field.name] for each in known])), 3)
        if known
        else None
        for field in fields(MotionFigures)
    }


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 2) if values else None


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return round(sum(known) / len(known), 3) if known else None


def describe(summary: dict[str, Any]) -> str:
    """Return the figures as a few lines of text."""
    low, high = summary['wilson_95']
    latency = summary['latency_ms']
    count = len(summary['episodes'])
    rate = f'{summary["success_rate"]:.1%}' if count else 'unknown,'
    sides = ', '.join(f'{number} {side}' for side, number in summary['sides'].items())
    return '\n'.join(
        (
            f'success       {rate} of {count} (95 % interval {low:.1%} to {high:.1%})',
            *_progress(summary),
            f'sides         {sides or "-"}',
            *_both_ways(summary['rerolls']),
            f'collisions    {summary["collisions"]}',
            *_failures(summary['failures']),
            f'judge         {summary["judge_violations"]} violations',
            f'latency       p50 {latency["p50"]} ms, p95 {latency["p95"]} ms',
            f'chunks        {summary["chunks"]}, late {summary["late_chunks"]}',
            *_motion(summary),
            f'velocity step {summary["max_velocity_step_rad_s"]:.4f} rad/s at chunk boundaries',
            f'peak memory   {sum(summary["peak_rss_mb"].values()):.0f} MB',
            *_misses(summary),
            *_shortcomings(summary),
        )
    )


def _progress(summary: dict[str, Any]) -> Iterator[str]:
    if summary['progress'] is not None:
        yield f'progress      {summary["progress"]:.3f} of the task on average'


def _failures(failures: dict[str, int]) -> Iterator[str]:
    """Yield a line about the kinds of failures; those of the system are told elsewhere."""
    kinds = [f'{failures[kind]} {kind}' for kind in FAILURES if failures[kind]]
    if kinds:
        yield f'failures      {", ".join(kinds)}'


def _both_ways(rerolls: dict[str, int] | None) -> Iterator[str]:
    if rerolls is not None:
        yield (
            f'both ways     in {rerolls["both_ways"]} of {rerolls["scenes"]} scenes, run '
            f'{rerolls["runs"]} times each with other noise'
        )


def _motion(summary: dict[str, Any]) -> Iterator[str]:
    """Yield a line about the commanded motion, beside the expert's in the same scenes."""
    figures = summary['smoothness']
    if figures['ldlj'] is not None:
        peaks, expert_peaks = (figures[f'{who}speed_peaks'] for who in ('', 'expert_'))
        yield (
            f'smoothness    log jerk {figures["ldlj"]:.1f} (expert {figures["expert_ldlj"]:.1f}), '
            f'SPARC {figures["sparc"]:.2f} ({figures["expert_sparc"]:.2f})'
        )
        yield (
            f'speed peaks   {peaks:g} (expert {expert_peaks:g}), on a path of '
            f"{figures['path_ratio']:.2f} times the expert's length"
        )
    if summary['side_flips'] is not None:
        yield f'side flips    {summary["side_flips"]:.2f} per episode'


def _misses(summary: dict[str, Any]) -> Iterator[str]:
    missed = [episode for episode in summary['episodes'] if not episode['success']]
    for index, episode in enumerate(missed[:_MISSES]):
        yield f'{"" if index else "missed":13} seed {episode["seed"]}: {episode["miss"]}'
    if len(missed) > _MISSES:
        yield f'{"":13} and {len(missed) - _MISSES} more, in the JSON'


def _shortcomings(summary: dict[str, Any]) -> Iterator[str]:
    """Yield lines about shortcomings of the system, which are not the policy's."""
    if summary.get('added_delay_s'):
        yield f'added delay   each chunk held back by {summary["added_delay_s"]:g} s'
    if summary.get('load'):
        yield f'load          {summary["load"]} busy processes beside the nodes'
    slow = slowness(summary['real_time_factor'] or math.nan)
    if slow:
        yield f'speed         {slow}; latencies are in real time'
    if summary['faults']:
        yield f'faults        {len(summary["faults"])} tries, not counted above:'
        reasons = Counter(fault['reason'] for fault in summary['faults'])
        yield from (f'              {count} x {reason}' for reason, count in reasons.items())
    if summary['not_completed']:
        seeds = ', '.join(map(str, summary['not_completed']))
        yield f'not completed seeds {seeds}, not in the success rate'
