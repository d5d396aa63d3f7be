# SPDX-License-Identifier: Apache-2.0
"""Record demonstrations of the scripted expert in simulation, through the nodes.

`ros2 run dp_ros record_expert --out DIR --episodes 200 --task pick_place`

Starts `franka_sim`, `demo_recorder` and the nodes of the gripper, faster than real time. The same
command continues an interrupted recording.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
import sys
from typing import Any

from ament_index_python.packages import get_package_share_path
from dp_ros.data.bags.recording import INDEX, STORAGES, EpisodeFolder, RecordingError
from dp_ros.nodes.franka_sim.parameters import parameters_for
from dp_ros.ros.domain import keep_to_this_machine
from dp_ros.sim.scenarios.registry import SCENARIOS
from dp_ros.task.task_file import read_task, task_path
from dp_ros.tools.common.progress import make_progress
from dp_ros.tools.record_expert.child_nodes import ChildNodes
from dp_ros.tools.record_expert.client import ExpertClient, ExpertError
from dp_ros.tools.record_expert.episodes import (
    ExpertEpisode,
    make_dash_episode,
    make_episode,
    make_pick_place_episode,
)
import rclpy
from rclpy.executors import ExternalShutdownException
from rich.console import Console

_READY_TIMEOUT = 60.0
_MAX_FAILURES = 10
# Simulated time per real time: at more, commands come late and the recorder falls behind.
_SPEED = 5.0
_GRIPPER_SPEED = 3.0


def main() -> int:
    """Parse the command line, record, and print a summary."""
    args = _parse(sys.argv[1:])
    console = Console()
    keep_to_this_machine()
    rclpy.init(args=[])
    try:
        with _client(args) as client:
            _record(args, client, console)
    except (ExpertError, RecordingError) as error:
        console.print(f'record_expert: {error}', style='red', markup=False)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        console.print('interrupted; the same command goes on')
        return 130
    finally:
        rclpy.try_shutdown()
    _sum_up(args.out, console)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros record_expert', description=__doc__)
    parser.add_argument('--out', type=Path, required=True, help='folder for the episodes')
    parser.add_argument(
        '--episodes',
        type=int,
        default=200,
        help='number of episodes in the folder at the end (default: %(default)s)',
    )
    parser.add_argument(
        '--task',
        choices=tuple(SCENARIOS),
        default='reach',
        help='task to demonstrate (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='seed of the first scene; each further one adds 1 (default: %(default)s)',
    )
    parser.add_argument(
        '--storage',
        choices=tuple(STORAGES),
        default='mcap',
        help='storage format of the bags (default: %(default)s)',
    )
    parser.add_argument(
        '--goal-jumps',
        type=float,
        default=0.3,
        help='share of the reach scenes in which the goal moves, 0 to 1 (default: %(default)s)',
    )
    parser.add_argument(
        '--obstacle-jumps',
        type=float,
        default=0.0,
        help='share of the other reach scenes in which the obstacle moves, 0 to 1 '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--controller-name',
        default='fr3_arm_controller',
        help='name of the joint trajectory controller (default: %(default)s)',
    )
    parser.add_argument(
        '--attach',
        action='store_true',
        help='use the running franka_sim and demo_recorder, which has to write to --out',
    )
    return parser.parse_args(argv)


def _task_file(task: str) -> Path:
    return task_path(task, get_package_share_path('dp_ros_bringup') / 'config' / 'tasks')


@contextmanager
def _client(args: argparse.Namespace) -> Iterator[ExpertClient]:
    """Yield the client when its nodes are ready."""
    folder = EpisodeFolder(args.out)
    has_gripper = bool(SCENARIOS[args.task].objects)
    if args.attach:
        client = ExpertClient(args.controller_name, lambda: None)
        client.wait_until_ready(_READY_TIMEOUT, has_gripper)
        yield client
        return
    children = ChildNodes(_nodes(args), folder.folder / 'record_expert.log')
    client = ExpertClient(args.controller_name, children.failure)
    if client.simulation_runs(timeout=1.0):
        raise ExpertError('a franka_sim runs already: use --attach or another ROS_DOMAIN_ID')
    with children:
        client.wait_until_ready(_READY_TIMEOUT, has_gripper)
        yield client


def _nodes(args: argparse.Namespace) -> Mapping[str, Mapping[str, Any]]:
    command = f'{args.controller_name}/joint_trajectory'
    task_file = _task_file(args.task)
    extra = ['goal', 'episode/status', '/tf', '/tf_static', command]
    nodes: dict[str, dict[str, Any]] = {
        'franka_sim': {
            'real_time_factor': _SPEED,
            'controller_name': args.controller_name,
            **parameters_for(read_task(task_file)),
            'seed': args.seed,
        },
        'demo_recorder': {
            'directory': str(args.out.resolve()),
            'storage': args.storage,
            'task': str(task_file),
            'topics': extra,
            'max_silence': 10.0,
        },
    }
    if SCENARIOS[args.task].objects:
        extra.append('gripper/joint_trajectory')
        # Nodes that take part in the episode have to keep up with it.
        nodes['franka_sim']['real_time_factor'] = _GRIPPER_SPEED
        nodes |= {'gripper': {}, 'fake_gripper': {'follow_joint_states': True}}
    return {name: {**values, 'use_sim_time': True} for name, values in nodes.items()}


def _record(args: argparse.Namespace, client: ExpertClient, console: Console) -> None:
    index = EpisodeFolder(args.out).index()
    kept = len(index)
    attempt = 1 + max((int(entry.get('attempt', -1)) for entry in index), default=-1)
    if kept:
        console.print(f'{kept} episodes are there, going on with attempt {attempt}')
    failures = 0
    with make_progress(console) as progress:
        task = progress.add_task('recording', total=args.episodes, completed=kept)
        while kept < args.episodes:
            episode = _episode(args, attempt)
            outcome = client.record(episode)
            attempt += 1
            if outcome.path:
                kept += 1
                progress.update(task, completed=kept)
                continue
            failures += 1
            text = f'scene {episode.scene.seed} {episode.side} discarded: {outcome.reason}'
            progress.console.print(text, style='yellow', markup=False)
            if failures >= _MAX_FAILURES and failures > kept:
                raise ExpertError(f'{failures} demonstrations failed, {kept} succeeded')


def _episode(args: argparse.Namespace, attempt: int) -> ExpertEpisode:
    if args.task == 'pick_place':
        return make_pick_place_episode(args.seed, attempt)
    if args.task == 'dash':
        return make_dash_episode(args.seed, attempt)
    return make_episode(args.seed, attempt, args.goal_jumps, args.obstacle_jumps)


def _sum_up(folder: Path, console: Console) -> None:
    index = EpisodeFolder(folder).index()
    count = Counter(entry.get('side', 'unknown side') for entry in index)
    sides = ', '.join(f'{number} {side}' for side, number in sorted(count.items()))
    lost = sum(int(entry.get('messages_lost', 0)) for entry in index)
    moved, aside = (
        sum(entry.get(f'{what}_moves') == 'true' for entry in index)
        for what in ('goal', 'obstacle')
    )
    seconds = sum(float(entry.get('duration_s', 0)) for entry in index)
    console.print(
        f'{len(index)} episodes ({sides}), {moved} with a moving goal, '
        + (f'{aside} with a moving obstacle, ' if aside else '')
        + f'{seconds:.0f} s, '
        f'{lost} messages lost; index: {folder / INDEX}',
        highlight=False,
        markup=False,
    )


if __name__ == '__main__':
    sys.exit(main())
