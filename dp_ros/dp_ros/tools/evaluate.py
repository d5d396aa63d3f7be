# SPDX-License-Identifier: Apache-2.0
"""Evaluate policies over many simulated episodes, through the ROS nodes.

`ros2 run dp_ros evaluate --policy models/reach --episodes 100 --seed 0 --json out.json`

Several policies run the same scenes with the same noise, in turns, until each pair of them is
decided or all episodes have been run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
import json
import math
import os
from pathlib import Path
import shlex
import sys
import tempfile
from typing import Any, Final

from ament_index_python.packages import get_package_share_path
from dp_ros.nodes.franka_sim.parameters import parameters_for
from dp_ros.sim.scenario import AnyScenario
from dp_ros.sim.scenarios.obstacle.scenario import ObstacleScenario
from dp_ros.sim.scenarios.registry import scenario_of
from dp_ros.task.task_file import read_task, task_of_policy, task_path
from dp_ros.tools.common.busy import busy_processes
from dp_ros.tools.common.episodes.comparison import describe_report, report, undecided
from dp_ros.tools.common.episodes.domains import in_domains
from dp_ros.tools.common.episodes.rollout import Rollout, RolloutError
from dp_ros.tools.common.episodes.runs import (
    episode_line,
    figures_of,
    run_episodes,
    running_simulation,
)
from dp_ros.tools.common.episodes.summary import EpisodeResult, Fault, describe
from dp_ros.training.model_card import add_measurement
from dp_ros.values import ConfigError
from rclpy.utilities import try_shutdown
from rich.console import Console

_MOST_LOAD: Final = 64
_MOST_JOBS: Final = 64
_FARTHEST: Final = 0.05
"""Distance by which the obstacle of every scene may move [m]."""


def main() -> int:
    """Parse the command line, run the episodes, print and store the figures."""
    args = _parse(sys.argv[1:])
    console = Console()
    alone = len(args.policy) == 1
    try:
        found = _evaluate(args, console) if alone else _compare(args, console)
    except RolloutError as error:
        console.print(f'evaluate: {error}', style='red', markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        try_shutdown()
    figures = describe(found) if alone else describe_report(found)
    console.print(figures, markup=False, highlight=False)
    console.print(f'figures: {args.json}', markup=False)
    if args.card:
        add_measurement(args.policy[0], _command(sys.argv[1:]), figures)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros evaluate', description=__doc__)
    parser.add_argument(
        '--policy',
        type=Path,
        nargs='+',
        required=True,
        help='checkpoint folder; several are compared',
    )
    parser.add_argument(
        '--task', help='task file, or name of a shipped one (default: the task of the policy)'
    )
    parser.add_argument(
        '--episodes',
        type=int,
        default=100,
        help='number of scenes; of several policies, at most so many (default: %(default)s)',
    )
    parser.add_argument(
        '--all-episodes',
        action='store_true',
        help='run all episodes, even if it is decided before which policy is better',
    )
    parser.add_argument(
        '--turn',
        type=int,
        default=20,
        metavar='N',
        help='number of scenes that each policy runs before it is looked whether it is decided '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='seed of the first episode; each further one adds 1 (default: %(default)s)',
    )
    parser.add_argument(
        '--json',
        type=Path,
        default=Path('evaluation.json'),
        help='file for the results (default: %(default)s)',
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=15.0,
        help='longest duration of an episode [s] (default: %(default)s)',
    )
    parser.add_argument(
        '--move-goal',
        type=float,
        default=0.0,
        help='distance by which the goal moves in mid-episode [m] (default: %(default)s)',
    )
    parser.add_argument(
        '--move-obstacle',
        type=float,
        default=0.0,
        metavar='D',
        help='distance by which the obstacle moves in mid-episode [m], up to '
        f'{_FARTHEST} (default: %(default)s)',
    )
    parser.add_argument(
        '--rerolls',
        type=int,
        default=1,
        metavar='N',
        help='runs of each scene, which differ in the noise of the policy (default: %(default)s)',
    )
    parser.add_argument(
        '--load',
        type=int,
        default=0,
        metavar='K',
        help='number of busy processes beside the nodes (default: %(default)s)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        metavar='J',
        help='number of simulations at once, each in a ROS domain of its own; if the processor '
        'is too slow for them, they run slower than real time (default: %(default)s)',
    )
    parser.add_argument(
        '--added-delay',
        type=float,
        default=0.0,
        metavar='S',
        help='time for which each chunk is held back [s], less than its length '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--card', action='store_true', help='write the results of one policy into its README.md'
    )
    parser.add_argument('launch', nargs='*', help='arguments for sim.launch.py, as name:=value')
    args = parser.parse_args(argv)
    # Launch arguments right behind the policies look like more of these.
    args.launch = [str(word) for word in args.policy if ':=' in str(word)] + args.launch
    args.policy = [folder for folder in args.policy if ':=' not in str(folder)]
    for key in ('episodes', 'rerolls', 'turn'):
        if getattr(args, key) < 1:
            parser.error(f'--{key} {getattr(args, key)}: needs at least 1')
    if (folder := _twice(args.policy)) is not None:
        parser.error(f'--policy {folder}: is named twice')
    if args.card and len(args.policy) > 1:
        parser.error(f'--card: needs one --policy, not {len(args.policy)}')
    if not 1 <= args.jobs <= _MOST_JOBS:
        parser.error(f'--jobs {args.jobs}: needs to be between 1 and {_MOST_JOBS}')
    if not 0 <= args.load <= _MOST_LOAD:
        parser.error(f'--load {args.load}: needs to be between 0 and {_MOST_LOAD}')
    if args.seed < 0:
        parser.error(f'--seed {args.seed}: needs at least 0')
    if not args.timeout > 0.0:
        parser.error(f'--timeout {args.timeout}: needs to be positive')
    if not math.isfinite(args.move_goal):
        parser.error(f'--move-goal {args.move_goal}: needs to be finite')
    try:
        scenarios = [_scenario(folder, args.task) for folder in args.policy]
    except ConfigError as error:
        parser.error(str(error))
    if (flaw := _obstacle_flaw(args.move_obstacle, scenarios)) is not None:
        parser.error(f'--move-obstacle {args.move_obstacle}: {flaw}')
    if not 0.0 <= args.added_delay < math.inf:
        parser.error(f'--added-delay {args.added_delay}: needs to be at least 0')
    if not _is_writable(args.json):
        parser.error(f'--json {args.json}: cannot be written')
    return args


def _twice(folders: Sequence[Path]) -> Path | None:
    """Return a folder that is named twice, or None."""
    resolved = [folder.resolve() for folder in folders]
    return next((folder for folder in folders if resolved.count(folder.resolve()) > 1), None)


def _scenario(policy: Path, task_name: str | None) -> AnyScenario:
    """Return what the simulation shows to a policy.

    :raises ConfigError: if there is no such policy, or the simulation lacks its task or cameras.
    """
    task, option = task_of_policy(policy), f'--policy {policy}'
    if task_name is not None:
        shipped = get_package_share_path('dp_ros_bringup') / 'config' / 'tasks'
        task, option = read_task(task_path(task_name, shipped)), f'--task {task_name}'
    try:
        parameters_for(task)
    except ConfigError as error:
        raise ConfigError(f'{option}: {error}') from error
    return scenario_of(task)


def _obstacle_flaw(distance: float, scenarios: Sequence[AnyScenario]) -> str | None:
    """Return why the obstacle cannot be moved that far, or None."""
    if distance == 0.0:
        return None
    if not abs(distance) <= _FARTHEST:
        return f'needs {-_FARTHEST} to {_FARTHEST} m, or the arm could not pass on both sides'
    missing = (each for each in scenarios if not isinstance(each, ObstacleScenario))
    return next((f'{scenario.name} has no obstacle' for scenario in missing), None)


def _is_writable(file: Path) -> bool:
    """Tell whether a file can be written, before an hour of episodes is lost."""
    if file.exists():
        return file.is_file() and os.access(file, os.W_OK)
    return file.parent.is_dir() and os.access(file.parent, os.W_OK)


def _command(argv: Sequence[str]) -> str:
    return shlex.join(['ros2', 'run', 'dp_ros', 'evaluate', *(a for a in argv if a != '--card')])


def _evaluate(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run all episodes of one policy; return and store its figures."""
    (policy,) = args.policy
    measured = {policy.name: Measured()}
    seeds = range(args.seed, args.seed + args.episodes)
    _run_all(args, {policy.name: policy}, seeds, measured, console)
    found = _figures(args, measured[policy.name])
    _store(args.json, found)
    return found


def _compare(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run several policies in turns until each pair is decided; return and store their figures.

    The figures so far are stored after each turn.
    """
    policies = _by_name(args.policy)
    measured = {name: Measured() for name in policies}
    wanted, end = set(policies), args.seed + args.episodes
    for begin in range(args.seed, end, args.turn):
        seeds = range(begin, min(begin + args.turn, end))
        now = {name: folder for name, folder in policies.items() if name in wanted}
        _run_all(args, now, seeds, measured, console)
        found = report(
            {name: each.results for name, each in measured.items()},
            {name: _figures(args, each) for name, each in measured.items()},
        )
        _store(args.json, found)
        if not args.all_episodes:
            wanted = undecided(found['comparisons'])
        if not wanted:
            break
    return found


def _by_name(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the folders by their names, or by their paths where two have the same name."""
    names = [folder.resolve().name for folder in folders]
    return {
        (name if names.count(name) == 1 else str(folder)): folder
        for name, folder in zip(names, folders, strict=True)
    }


@dataclass
class Measured:
    """What has been measured of a policy.

    :param peaks: peak memory of each node [MB].
    """

    runs: list[Rollout | Fault] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)

    def add(self, other: Measured) -> None:
        """Add what was measured in other scenes."""
        self.runs += other.runs
        for node, peak in other.peaks.items():
            self.peaks[node] = max(peak, self.peaks.get(node, 0.0))

    @property
    def results(self) -> list[EpisodeResult]:
        """Results of the episodes that came to their end."""
        return [run.result for run in self.runs if isinstance(run, Rollout)]


@dataclass(frozen=True)
class Part:
    """Scenes that a policy runs in one simulation."""

    args: argparse.Namespace
    name: str
    policy: Path
    seeds: Sequence[int]
    log: Path


def _run_all(
    args: argparse.Namespace,
    policies: Mapping[str, Path],
    seeds: Sequence[int],
    measured: Mapping[str, Measured],
    console: Console,
) -> None:
    """Run the scenes with each policy, by one job after the other or by several at once."""
    with tempfile.TemporaryDirectory() as folder:
        share = math.ceil(args.jobs / len(policies))
        parts = [
            Part(args, name, policy, seeds[k::share], Path(folder) / f'{index}-{k}.log')
            for index, (name, policy) in enumerate(policies.items())
            for k in range(min(share, len(seeds)))
        ]
        if args.jobs == 1:
            for part in parts:
                measured[part.name].add(_run(part, console))
            return
        for part, found in in_domains(_run_quietly, parts, args.jobs):
            measured[part.name].add(found)
            for run in found.runs:
                line = f'{part.name}  {episode_line(run)}'
                console.print(line, markup=False, highlight=False)


def _run_quietly(part: Part) -> Measured:
    """Run a part in a process of its own; leave out the records for drawing it again."""
    try:
        found = _run(part, Console(quiet=True))
    finally:
        try_shutdown()
    for index, run in enumerate(found.runs):
        if isinstance(run, Rollout):
            found.runs[index] = replace(run, statuses=[], markers=[])
    return found


def _run(part: Part, console: Console) -> Measured:
    """Run the scenes of a part."""
    args = part.args
    task = [] if args.task is None else [f'task:={args.task}']
    arguments = [f'policy:={part.policy.resolve()}', *task, *args.launch]
    with (
        running_simulation(arguments, part.log, console) as (simulation, client),
        busy_processes(args.load),
    ):
        if args.added_delay:
            client.set_parameter('policy', 'added_delay', args.added_delay)
        if args.move_obstacle:
            client.set_parameter('episode_runner', 'move_obstacle', args.move_obstacle)
        episodes = run_episodes(
            client,
            part.seeds,
            console,
            part.name,
            timeout=args.timeout,
            move_goal=args.move_goal,
            rerolls=args.rerolls,
        )
        return Measured(list(episodes), simulation.peak_rss_mb())


def _figures(args: argparse.Namespace, measured: Measured) -> dict[str, Any]:
    """Return the figures of a policy, its scenes in their order."""
    runs = sorted(measured.runs, key=_place)
    more = {'load': args.load, 'added_delay_s': args.added_delay}
    return figures_of(runs, measured.peaks) | more


def _place(run: Rollout | Fault) -> tuple[int, int]:
    """Return where a run is in the order of scenes and noises."""
    of = run.result if isinstance(run, Rollout) else run
    return of.seed, of.reroll


def _store(file: Path, found: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(found, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(main())
