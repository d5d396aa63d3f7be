# SPDX-License-Identifier: Apache-2.0
"""Evaluate a policy over many simulated episodes, through the ROS nodes.

`ros2 run dp_ros evaluate --policy models/reach --episodes 100 --seed 0 --json out.json`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
import math
import os
from pathlib import Path
import shlex
import sys
import tempfile
from typing import Any, Final

from ament_index_python.packages import get_package_share_path
from dp_ros.sim.scenarios.obstacle.scenario import ObstacleScenario
from dp_ros.sim.scenarios.registry import scenario_of
from dp_ros.task.task_file import read_task, task_path
from dp_ros.tools.common.busy import busy_processes
from dp_ros.tools.common.episodes.rollout import RolloutError
from dp_ros.tools.common.episodes.runs import figures_of, run_episodes, running_simulation
from dp_ros.tools.common.episodes.summary import describe
from dp_ros.training.model_card import add_measurement
from dp_ros.values import ConfigError
from rclpy.utilities import try_shutdown
from rich.console import Console

_MOST_LOAD: Final = 64
_FARTHEST: Final = 0.05
"""Distance by which the obstacle of every scene may move [m]."""


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
    parser.add_argument('--policy', type=Path, required=True, help='checkpoint folder')
    parser.add_argument(
        '--task', help='task file, or name of a shipped one (default: the task of the policy)'
    )
    parser.add_argument(
        '--episodes', type=int, default=100, help='number of episodes (default: %(default)s)'
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
        '--added-delay',
        type=float,
        default=0.0,
        metavar='S',
        help='time for which each chunk is held back [s], less than its length '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--card', action='store_true', help="write the results into the policy's README.md"
    )
    parser.add_argument('launch', nargs='*', help='arguments for sim.launch.py, as name:=value')
    args = parser.parse_args(argv)
    if args.episodes < 1:
        parser.error(f'--episodes {args.episodes}: needs at least 1')
    if not (args.policy / 'policy.json').is_file():
        parser.error(f'--policy {args.policy}: no policy.json in that folder')
    if args.rerolls < 1:
        parser.error(f'--rerolls {args.rerolls}: needs at least 1')
    if not 0 <= args.load <= _MOST_LOAD:
        parser.error(f'--load {args.load}: needs to be between 0 and {_MOST_LOAD}')
    if args.seed < 0:
        parser.error(f'--seed {args.seed}: needs at least 0')
    if not args.timeout > 0.0:
        parser.error(f'--timeout {args.timeout}: needs to be positive')
    if not math.isfinite(args.move_goal):
        parser.error(f'--move-goal {args.move_goal}: needs to be finite')
    if (flaw := _obstacle_flaw(args)) is not None:
        parser.error(f'--move-obstacle {args.move_obstacle}: {flaw}')
    if not 0.0 <= args.added_delay < math.inf:
        parser.error(f'--added-delay {args.added_delay}: needs to be at least 0')
    if not _is_writable(args.json):
        parser.error(f'--json {args.json}: cannot be written')
    return args


def _obstacle_flaw(args: argparse.Namespace) -> str | None:
    """Return why the obstacle cannot be moved that far, or None."""
    if args.move_obstacle == 0.0:
        return None
    if not abs(args.move_obstacle) <= _FARTHEST:
        return f'needs {-_FARTHEST} to {_FARTHEST} m, or the arm could not pass on both sides'
    shipped = get_package_share_path('dp_ros_bringup') / 'config' / 'tasks'
    try:
        file = args.policy if args.task is None else task_path(args.task, shipped)
        scenario = scenario_of(read_task(file))
    except ConfigError as error:
        return str(error)
    return None if isinstance(scenario, ObstacleScenario) else f'{scenario.name} has no obstacle'


def _is_writable(file: Path) -> bool:
    """Tell whether a file can be written, before an hour of episodes is lost."""
    if file.exists():
        return file.is_file() and os.access(file, os.W_OK)
    return file.parent.is_dir() and os.access(file.parent, os.W_OK)


def _command(argv: Sequence[str]) -> str:
    return shlex.join(['ros2', 'run', 'dp_ros', 'evaluate', *(a for a in argv if a != '--card')])


def _evaluate(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    task = [] if args.task is None else [f'task:={args.task}']
    arguments = [f'policy:={args.policy.resolve()}', *task, *args.launch]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / 'launch.log'
        with (
            running_simulation(arguments, log, console) as (simulation, client),
            busy_processes(args.load),
        ):
            if args.added_delay:
                client.set_parameter('policy', 'added_delay', args.added_delay)
            if args.move_obstacle:
                client.set_parameter('episode_runner', 'move_obstacle', args.move_obstacle)
            runs = list(
                run_episodes(
                    client,
                    range(args.seed, args.seed + args.episodes),
                    console,
                    args.policy.name,
                    timeout=args.timeout,
                    move_goal=args.move_goal,
                    rerolls=args.rerolls,
                )
            )
            peaks = simulation.peak_rss_mb()
    return figures_of(runs, peaks) | {'load': args.load, 'added_delay_s': args.added_delay}


if __name__ == '__main__':
    sys.exit(main())
