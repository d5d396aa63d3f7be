# SPDX-License-Identifier: Apache-2.0
"""Checks of recorded episodes together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dp_ros.data.inspection.figures import EpisodeFigures
from dp_ros.data.inspection.findings import LIMITS, Finding
from dp_ros.data.inspection.ways import rarer_way
from dp_ros.data.windows.window import label
import numpy as np

_LIKELY: Final = 'look at its picture: is it the same task, done well?'


def check_set(episodes: Sequence[EpisodeFigures]) -> Iterator[Finding]:
    """Yield findings about the whole set."""
    used = [episode for episode in episodes if not episode.skipped]
    yield from _count(len(used), len(episodes))
    if used:
        yield from _ranges(used)
    yield from _commands(used)
    yield from _idle(used)
    yield from _ways(used)
    if len(used) >= LIMITS.compared:
        yield from _outliers(used)
        yield from _rates(used)


def robust_scores(values: Sequence[float]) -> list[float]:
    """Return robust z-scores: distances from the median over 1.4826 times their median."""
    distances = np.array(values) - np.median(values)
    deviation = 1.4826 * np.median(np.abs(distances))
    least = LIMITS.spread * abs(float(np.median(values)))
    scores: list[float] = (distances / max(float(deviation), least, 1e-9)).tolist()
    return scores


def joint_ranges(episodes: Sequence[EpisodeFigures]) -> Mapping[str, tuple[float, float]]:
    """Return the lowest and highest position of each joint over all episodes."""
    joints = [episode.joints for episode in episodes if episode.joints is not None]
    names = next((episode.joint_names for episode in episodes if episode.joints), ())
    return {
        name: (min(j.lowest[i] for j in joints), max(j.highest[i] for j in joints))
        for i, name in enumerate(names)
    }


def _count(used: int, there: int) -> Iterator[Finding]:
    what = f'{used} of {there} episodes can be used'
    if used < 2:
        advice = 'needs at least 2, one of them to validate: see the findings of the others'
        yield Finding('episodes', what, 1, 'training is refused', advice, fatal=True)
    elif used < LIMITS.episodes:
        advice = 'record 50 to 200: policies of this kind learn a task from so many'
        yield Finding('episodes', what, 1, 'training learns these by heart', advice)


def _ranges(used: Sequence[EpisodeFigures]) -> Iterator[Finding]:
    for name, (low, high) in joint_ranges(used).items():
        if high - low < LIMITS.range:
            yield Finding(
                f'{name}: constant',
                f'{name}: moves by {high - low:.4f} in all episodes together',
                low - high,
                'training scales this to -1..1, with its noise',
                'move it more, or set its state_modes and action_modes to none',
            )


def _commands(used: Sequence[EpisodeFigures]) -> Iterator[Finding]:
    without = [episode for episode in used if episode.commands is None]
    if len(without) < len(used):
        for episode in without:
            yield Finding(
                'no commands',
                'no commands, but others have them',
                1,
                'training takes the measured positions as actions',
                'record the same topics in all episodes',
                episode.name,
            )


def _idle(used: Sequence[EpisodeFigures]) -> Iterator[Finding]:
    seconds = sum(e.joints.still_start for e in used if e.joints is not None and not e.idle)
    share = seconds / max(sum(episode.duration for episode in used), 1e-9)
    if share > LIMITS.idle:
        yield Finding(
            'idle starts',
            f'the arm has not moved yet in {share:.0%} of all recorded time',
            share,
            'training learns to rest from it, and the policy may never start',
            'set train.trim_idle to true, or start recording when you start moving',
        )


def _ways(used: Sequence[EpisodeFigures]) -> Iterator[Finding]:
    rare = rarer_way(used)
    if 0 < len(rare) < LIMITS.way * len(used):
        more = round(len(used) / 2) - len(rare)
        yield Finding(
            'ways',
            f'{len(rare)} of {len(used)} episodes go another way than the others: '
            f'{", ".join(episode.name for episode in rare[:5])}',
            1 - len(rare) / len(used),
            'training may learn the frequent way alone, or this one by heart',
            f'record about {more} more of this way, or remove these',
        )


def _outliers(used: Sequence[EpisodeFigures]) -> Iterator[Finding]:
    joints = [episode.joints for episode in used if episode.joints is not None]
    figures = (
        ('duration', 's', [episode.duration for episode in used]),
        ('path of the joints', 'rad', [each.path for each in joints]),
        ('top speed', 'rad/s', [max(each.speed) for each in joints]),
    )
    for kind, unit, values in figures:
        for episode, value, score in zip(used, values, robust_scores(values), strict=True):
            if abs(score) > LIMITS.score:
                what = f'{kind} {value:.2f} {unit}, median {np.median(values):.2f}'
                training = 'training includes it like the others'
                yield Finding(kind, what, abs(score), training, _LIKELY, episode.name)


def _rates(used: Sequence[EpisodeFigures]) -> Iterator[Finding]:
    for stream in used[0].streams:
        rates = [episode.streams[stream].rate for episode in used]
        median = float(np.median(rates))
        for episode, rate in zip(used, rates, strict=True):
            if abs(rate - median) > LIMITS.rate * median:
                yield Finding(
                    f'{label(stream)}: rate',
                    f'{label(stream)}: {rate:.3g} Hz, median {median:.3g}',
                    abs(rate - median),
                    'training takes windows at each image, more of the faster ones',
                    "check the driver's settings",
                    episode.name,
                )
