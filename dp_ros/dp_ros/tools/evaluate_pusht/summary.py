# SPDX-License-Identifier: Apache-2.0
"""Figures of policies on Push-T with their intervals, as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dp_ros.sim.scenarios.pusht.table import PushTEpisode
from dp_ros.tools.common.statistics import bootstrap, wilson
from matplotlib.figure import Figure
import numpy as np

_LAST: Final = 10
"""Number of policies at the end of a training run over which the papers average."""

Summary = dict[str, Any]


def summarize(episodes: Sequence[PushTEpisode]) -> Summary:
    """Return the figures as a dict that JSON can hold."""
    scores = [episode.score for episode in episodes]
    successes = sum(score >= 1.0 for score in scores)
    return {
        'mean_score': float(np.mean(scores)),
        'bootstrap_95': list(bootstrap(scores)),
        'success_rate': successes / len(scores),
        'wilson_95': list(wilson(successes, len(scores))),
        'episodes': [{'seed': e.seed, 'score': e.score, 'steps': e.steps} for e in episodes],
    }


def summarize_run(summaries: Sequence[Summary]) -> Summary:
    """Return the papers' two figures of a training run: best policy, mean of the last ten.

    The interval of the mean is over initial conditions, each with its mean over policies.
    """
    last = summaries[-_LAST:]
    scores = [[episode['score'] for episode in summary['episodes']] for summary in last]
    return {
        'best': max(summary['mean_score'] for summary in summaries),
        'mean_of_last': float(np.mean(scores)),
        'bootstrap_95_of_last': list(bootstrap(np.mean(scores, axis=0).tolist())),
        'n_last': len(last),
        'policies': list(summaries),
    }


def describe(summary: Summary) -> str:
    """Return the figures as a few lines of text."""
    low, high = summary['bootstrap_95']
    least, most = summary['wilson_95']
    return '\n'.join(
        (
            f'score    {summary["mean_score"]:.3f} of {len(summary["episodes"])} '
            f'(95 % interval {low:.3f} to {high:.3f})',
            f'success  {summary["success_rate"]:.0%} cover 95 % of the outline '
            f'(95 % interval {least:.0%} to {most:.0%})',
            f'sampler  {summary["sampler"]}, {summary["num_inference_steps"]} steps; '
            f'{summary["n_action_steps"]} actions of each chunk',
            f'took     {summary["seconds"]:.0f} s',
        )
    )


def describe_run(found: Summary) -> str:
    """Return the figures of a training run as a line of text."""
    low, high = found['bootstrap_95_of_last']
    return (
        f'best of {len(found["policies"])} policies {found["best"]:.3f}, mean of the last '
        f'{found["n_last"]} {found["mean_of_last"]:.3f} (95 % interval {low:.3f} to {high:.3f})'
    )


def draw(summaries: Sequence[Summary], file: Path) -> None:
    """Draw the mean score of each policy with its interval."""
    figure = Figure(figsize=(7, 4), dpi=110, layout='constrained')
    axes = figure.subplots()
    means = np.array([summary['mean_score'] for summary in summaries])
    ends = np.array([summary['bootstrap_95'] for summary in summaries]).T
    rows = range(len(summaries))
    axes.errorbar(rows, means, np.abs(ends - means), fmt='o-', capsize=3)
    names = [summary['policy'].lstrip('0') for summary in summaries]
    axes.set_xticks(rows, names, rotation=45, ha='right')
    axes.set(xlabel='policy', ylabel='mean score', ylim=(0, 1))
    axes.grid(alpha=0.3)
    figure.savefig(file)
