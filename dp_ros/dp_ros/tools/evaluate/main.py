# SPDX-License-Identifier: Apache-2.0
"""Measure a policy over many episodes, through the ROS nodes.

`ros2 run dp_ros evaluate --policy models/reach --episodes 100 --seed 0 --json out.json`
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
from functools import partial
import json
import math
import os
from pathlib import Path
import shlex
import sys
import tempfile
from typing import Any

from dp_ros.sim.clock import slowness
from dp_ros.sim.tasks.registry import TASKS
from dp_ros.tools.common.progress import make_progress
from dp_ros.tools.evaluate.launched_simulation import LaunchedSimulation
from dp_ros.tools.evaluate.rollout import (
    EpisodeFault,
    Rollout,
    RolloutClient,
    RolloutError,
    start_client,
)
from dp_ros.tools.evaluate.summary import Fault, summarize
from dp_ros.training.model_card import add_measurement
from rclpy.utilities import try_shutdown
from rich.console import Console

TRIES = 3


def main() -> int:
    """Parse the command line, run the episodes, print and store the figures."""
    args = _parse(sys.argv[1:])
    console = Console()
    try:
        summary = _evaluate(args, console)
    except RolloutError as error:
        console.print(f'evaluate: {error}', style='red', markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        try_shutdown()
    args.json.write_text(json.dumps(summary, indent=2) + '\n')
    figures = describe(summary)
    console.print(figures, markup=False)
    console.print(f'figures: {args.json}', markup=False)
    if args.card:
        add_measurement(args.policy, _command(sys.argv[1:]), figures)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros evaluate', description=__doc__)
    parser.add_argument('--policy', type=Path, required=True, help='folder of the checkpoint')
    parser.add_argument(
        '--task', choices=tuple(TASKS), help="else the one that the policy's folder is named after"
    )
    parser.add_argument('--episodes', type=int, default=100)
    parser.add_argument('--seed', type=int, default=0, help='of the first episode; then +1 each')
    parser.add_argument('--json', type=Path, default=Path('evaluation.json'))
    parser.add_argument('--timeout', type=float, default=15.0, help='of one episode [s]')
    parser.add_argument(
        '--move-goal', type=float, default=0.0, help='move the goal in mid-run by this much [m]'
    )
    parser.add_argument(
        '--card', action='store_true', help="write the figures into the policy's README.md"
    )
    parser.add_argument('launch', nargs='*', help='launch arguments, name:=value')
    args = parser.parse_args(argv)
    if args.task is None:
        args.task = _task_of(args.policy.resolve().name)
    if args.episodes < 1:
        parser.error(f'--episodes {args.episodes}: needs at least 1')
    if not (args.policy / 'policy.json').is_file():
        parser.error(f'--policy {args.policy}: no policy.json in that folder')
    if args.seed < 0:
        parser.error(f'--seed {args.seed}: needs at least 0')
    if not args.timeout > 0.0:
        parser.error(f'--timeout {args.timeout}: needs to be positive')
    if not math.isfinite(args.move_goal):
        parser.error(f'--move-goal {args.move_goal}: needs to be finite')
    if not _is_writable(args.json):
        parser.error(f'--json {args.json}: cannot be written')
    return args


def _task_of(policy: str) -> str:
    """Return the task whose name a policy's begins with; reach where there is none."""
    return next((task for task in TASKS if policy.startswith(task)), 'reach')


def _is_writable(file: Path) -> bool:
    """Say whether a file can be written, before an hour of episodes is lost to it."""
    if file.exists():
        return file.is_file() and os.access(file, os.W_OK)
    return file.parent.is_dir() and os.access(file.parent, os.W_OK)


def _command(argv: Sequence[str]) -> str:
    return shlex.join(['ros2', 'run', 'dp_ros', 'evaluate', *(a for a in argv if a != '--card')])


def _evaluate(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    arguments = [f'policy:={args.policy.resolve()}', f'task:={args.task}', *args.launch]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / 'launch.log'
        with running_simulation(arguments, log, console) as (simulation, client):
            runs = list(
                run_episodes(
                    client,
                    range(args.seed, args.seed + args.episodes),
                    console,
                    args.policy.name,
                    timeout=args.timeout,
                    move_goal=args.move_goal,
                )
            )
            peaks = simulation.peak_rss_mb()
    return figures_of(runs, peaks)


def figures_of(
    runs: Sequence[Rollout | Fault], peak_rss_mb: Mapping[str, float]
) -> dict[str, Any]:
    """Return the figures of what `run_episodes` gave."""
    rollouts = [run for run in runs if isinstance(run, Rollout)]
    faults = [run for run in runs if isinstance(run, Fault)]
    return summarize(
        [r.result for r in rollouts], [r.timing for r in rollouts], peak_rss_mb, faults
    )


@contextlib.contextmanager
def running_simulation(
    arguments: Sequence[str], log: Path, console: Console, **client_options: bool
) -> Iterator[tuple[LaunchedSimulation, RolloutClient]]:
    """Launch the simulation and wait until it takes episodes.

    :raises RolloutError: when it does not come up, with the end of its log; or when an episode
        cannot be run, with what the nodes say.
    """
    client = start_client(**client_options)
    try:
        with LaunchedSimulation(arguments, log) as simulation:
            try:
                client.wait_until_ready(simulation.failure, partial(console.print, markup=False))
                yield simulation, client
            except RolloutError as error:
                raise RolloutError('\n'.join([str(error), *simulation.errors()])) from error
    finally:
        client.destroy_node()


def run_episodes(
    client: RolloutClient,
    seeds: Sequence[int],
    console: Console,
    title: str,
    timeout: float = 15.0,
    move_goal: float = 0.0,
) -> Iterator[Rollout | Fault]:
    """Run one episode per seed under a progress bar, and print a line for each.

    One that a fault of the system ended is run again, and every such fault given too.

    :raises RolloutError: when the system lets no episode come to its end.
    """
    with make_progress(console, live=True) as progress:
        task = progress.add_task(title, total=len(seeds), live='')

        def show(status: Any) -> None:
            latency = client.latest_latency_ms
            text = f'{status.side or "…":>10}  {status.distance * 1e3:4.0f} mm'
            parts = (
                text,
                f'{latency:3.0f} ms' if latency else '',
                slowness(status.real_time_factor),
            )
            progress.update(task, live='  '.join(part for part in parts if part))

        lost = 0
        for seed in seeds:
            for run in _tries(lambda seed=seed: client.run(seed, timeout, move_goal, show), seed):
                progress.console.print(_line(run), markup=False, highlight=False)
                yield run
            progress.advance(task)
            lost = lost + 1 if isinstance(run, Fault) else 0
            if lost == TRIES:
                raise RolloutError(f'{lost} episodes in a row could not be completed')


def _tries(run: Callable[[], Rollout], seed: int) -> Iterator[Rollout | Fault]:
    """Run an episode, and again when the system ended it."""
    for _ in range(TRIES):
        try:
            rollout = run()
        except EpisodeFault as fault:
            yield Fault(seed, str(fault))
        else:
            yield rollout
            return


def _line(run: Rollout | Fault) -> str:
    if isinstance(run, Fault):
        return f'seed {run.seed:4d}  FAULT      {run.reason}'
    result, timing = run.result, run.timing
    outcome = 'reached' if result.success else 'COLLISION' if result.collision else 'missed'
    latency = max(timing.latencies_ms, default=float('nan'))
    return (
        f'seed {result.seed:4d}  {outcome:9}  {result.side or "-":10}  '
        f'{result.final_distance_m * 1e3:4.0f} mm  {result.duration_s:5.1f} s  '
        f'{timing.chunks:3d} chunks, slowest {latency:.0f} ms'
        + (f'; {slow}' if (slow := slowness(timing.real_time_factor)) else '')
    )


def describe(summary: dict[str, Any]) -> str:
    """Say the figures in a few lines."""
    low, high = summary['wilson_95']
    latency = summary['latency_ms']
    count = len(summary['episodes'])
    rate = f'{summary["success_rate"]:.1%}' if count else 'unknown,'
    sides = ', '.join(f'{number} {side}' for side, number in summary['sides'].items())
    return '\n'.join(
        (
            f'success       {rate} of {count} (95 % interval {low:.1%} to {high:.1%})',
            f'sides         {sides or "-"}',
            f'collisions    {summary["collisions"]}',
            f'judge         {summary["judge_violations"]} violations',
            f'latency       p50 {latency["p50"]} ms, p95 {latency["p95"]} ms',
            f'chunks        {summary["chunks"]}, late {summary["late_chunks"]}',
            f'velocity step {summary["max_velocity_step_rad_s"]:.4f} rad/s at chunk boundaries',
            f'peak memory   {sum(summary["peak_rss_mb"].values()):.0f} MB',
            *_shortcomings(summary),
        )
    )


def _shortcomings(summary: dict[str, Any]) -> Iterator[str]:
    """Say what of the system, not of the policy, is to be known with the figures."""
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


if __name__ == '__main__':
    sys.exit(main())
