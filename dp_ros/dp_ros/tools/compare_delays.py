# SPDX-License-Identifier: Apache-2.0
"""Run policies with chunks that come late, and write a table and a picture of what that costs.

`ros2 run dp_ros compare_delays --policy models/reach --out delays`

Every policy runs the same scenes in the simulation, without ROS, with each way to follow what is
committed (docs/policies.md) and each delay. The same command continues an interrupted comparison.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
import math
from pathlib import Path
import sys
from typing import Any, Final

from dp_ros.nodes.policy.pace import Pace
from dp_ros.policy.checkpoint import CheckpointError, load_policy
from dp_ros.policy.policy import Policy
from dp_ros.robot.units import NS, to_ns
from dp_ros.tools.common.closed_loop import ClosedLoop, EpisodeOutcome
from dp_ros.tools.common.page import Page, PageError
from dp_ros.tools.common.resumable import measure_all, run_resumable
from dp_ros.tools.common.statistics import wilson
from dp_ros.values import ConfigError
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from rich.console import Console
from rich.progress import track

RESULTS, TABLE, PICTURE = 'results.json', 'table.md', 'delays.png'
_CAPTION: Final = 'Goal reached, changes of the side and smoothness against the added delay'
_COLUMNS: Final = ('policy', 'delay', 'goal reached', 'collided', 'flips', 'log jerk')
_DELAYS: Final = (0.0, 0.1, 0.2, 0.3, 0.4)

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One measurement: a policy, how it follows what is committed, and the delay [s].

    :param latency: time from an observation to its chunk, without the delay [s].
    :param seeds: seeds of the scenes.
    """

    policy: Path
    conditioning: str
    delay: float
    latency: float
    seeds: range

    @property
    def line(self) -> str:
        """Name of the line in the picture."""
        return f'{self.policy.name}, {self.conditioning}'

    @property
    def name(self) -> str:
        """Name of the case in the results."""
        times = f'{self.delay:g} s + {self.latency:g} s'
        return f'{self.policy} {self.conditioning} {times} {self.seeds.start}:{self.seeds.stop}'


def main() -> int:
    """Parse the command line and compare."""
    errors = (CheckpointError, ConfigError, PageError, OSError)
    return run_resumable('compare_delays', partial(_compare, _parse(sys.argv[1:])), *errors)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros compare_delays', description=__doc__)
    parser.add_argument(
        '--policy', type=Path, nargs='+', required=True, help='checkpoint folders of one task'
    )
    parser.add_argument(
        '--delays',
        type=float,
        nargs='+',
        default=list(_DELAYS),
        help='times that are added to the latency of each chunk [s] (default: %(default)s)',
    )
    parser.add_argument(
        '--latency',
        type=float,
        default=0.05,
        help='time from an observation to its chunk, without delay [s] (default: %(default)s)',
    )
    parser.add_argument(
        '--episodes',
        type=int,
        default=40,
        help='number of scenes of a case (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the first scene (default: %(default)s)'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    parser.add_argument(
        '--page',
        type=Path,
        help='Markdown file whose lines between <!-- compare_delays --> and '
        '<!-- /compare_delays --> are replaced by the table and the picture',
    )
    args = parser.parse_args(argv)
    for delay in (*args.delays, args.latency):
        if not (math.isfinite(delay) and delay >= 0):
            parser.error(f'delay {delay} s: needs a finite time of at least 0')
    if args.episodes < 1 or args.seed < 0:
        parser.error('needs at least 1 of --episodes, and a --seed of at least 0')
    return args


def cases(policies: Mapping[Path, Policy], args: argparse.Namespace) -> Iterator[Case]:
    """Yield the cases: each policy with every conditioning that it can do and every delay."""
    seeds = range(args.seed, args.seed + args.episodes)
    for folder, policy in policies.items():
        trained = ('trained',) if policy.config.max_delay else ()
        for conditioning in ('none', 'guided', *trained):
            for delay in args.delays:
                yield Case(folder, conditioning, delay, args.latency, seeds)


def _compare(args: argparse.Namespace, console: Console) -> None:
    page = None if args.page is None else Page(args.page, 'compare_delays')
    policies = {folder: load_policy(folder) for folder in args.policy}
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = list(cases(policies, args))
    results = measure_all(
        args.out / RESULTS, wanted, lambda case: measure(policies[case.policy], case, console)
    )
    lines = by_line(wanted, results)
    (args.out / TABLE).write_text(table(lines))
    draw(lines, args.out / PICTURE)
    if page is not None:
        page.replace(args.out / TABLE, args.out / PICTURE, _CAPTION)
    console.print((args.out / TABLE).read_text(), markup=False, highlight=False)


def measure(policy: Policy, case: Case, console: Console) -> dict[str, Any]:
    """Run the episodes of a case."""
    pace = Pace()
    pace.add(0, to_ns(case.latency + case.delay))
    loop = ClosedLoop(
        policy,
        latency=case.latency,
        chunk_period=pace.period_ns(0.0, policy.config.task) / NS,
        delay=case.delay,
        conditioning=case.conditioning,
    )
    try:
        outcomes = [loop.run(seed) for seed in track(case.seeds, case.name, console=console)]
    finally:
        loop.close()
    return {'delay_s': case.delay} | figures(outcomes)


def figures(outcomes: Sequence[EpisodeOutcome]) -> dict[str, Any]:
    """Return the figures of the episodes of a case; smoothness is that of those that succeeded."""
    motions = [outcome.motion for outcome in outcomes if outcome.success and outcome.motion]
    return {
        'episodes': len(outcomes),
        'successes': sum(outcome.success for outcome in outcomes),
        'collisions': sum(outcome.collision for outcome in outcomes),
        'judge_violations': sum(outcome.judge_violations for outcome in outcomes),
        'side_flips': float(np.mean([outcome.side_flips for outcome in outcomes])),
        'ldlj': float(np.median([m.ldlj for m in motions])) if motions else None,
        'expert_ldlj': float(np.median([m.expert_ldlj for m in motions])) if motions else None,
    }


def by_line(wanted: Sequence[Case], results: Mapping[str, Result]) -> dict[str, list[Result]]:
    """Group the results by policy and conditioning, in the order of the delays."""
    lines: dict[str, list[Result]] = {}
    for case in sorted(wanted, key=lambda case: case.delay):
        lines.setdefault(case.line, []).append(results[case.name])
    return lines


def table(lines: Mapping[str, Sequence[Result]]) -> str:
    """Return the table as Markdown, a row per case."""
    rows = [_COLUMNS, ('---',) * len(_COLUMNS)]
    rows += [(line, *_cells(run)) for line, runs in lines.items() for run in runs]
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


def _cells(run: Result) -> tuple[str, ...]:
    episodes = run['episodes']
    low, high = wilson(run['successes'], episodes)
    return (
        f'{run["delay_s"]:g} s',
        f'{run["successes"] / episodes:.0%} [{100 * low:.0f}, {100 * high:.0f}]',
        f'{run["collisions"] / episodes:.0%}',
        f'{run["side_flips"]:.2f}',
        '-' if run['ldlj'] is None else f'{run["ldlj"]:.1f}',
    )


def draw(lines: Mapping[str, Sequence[Result]], file: Path) -> None:
    """Draw goal reached with its interval, changes of the side, and smoothness, over the delay."""
    figure = Figure(figsize=(11.0, 3.6), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    reached, flips, jerk = figure.subplots(1, 3)
    for label, runs in lines.items():
        delays = [run['delay_s'] for run in runs]
        rates = np.array([run['successes'] / run['episodes'] for run in runs])
        ends = np.array([wilson(run['successes'], run['episodes']) for run in runs])
        reached.errorbar(
            delays, rates, np.abs(ends.T - rates).clip(0), marker='.', capsize=3, label=label
        )
        flips.plot(delays, [run['side_flips'] for run in runs], '.-')
        smooth = [math.nan if run['ldlj'] is None else run['ldlj'] for run in runs]
        jerk.plot(delays, smooth, '.-')
    reached.set(ylabel='goal reached', ylim=(0.0, 1.03))
    most = max(run['side_flips'] for runs in lines.values() for run in runs)
    flips.set(ylabel='changes of the side in an episode', ylim=(0.0, max(1.0, 1.1 * most)))
    shown = [run['expert_ldlj'] for runs in lines.values() for run in runs if run['expert_ldlj']]
    if shown:
        jerk.axhline(float(np.median(shown)), color='0.5', linestyle='--', label='expert')
        jerk.legend()
    jerk.set(ylabel='log dimensionless jerk (0: smoothest)')
    for panel in (reached, flips, jerk):
        panel.set_xlabel('added delay [s]')
        panel.grid(alpha=0.3)
    reached.legend(loc='lower left')
    figure.savefig(file)


if __name__ == '__main__':
    sys.exit(main())
