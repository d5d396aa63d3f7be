# SPDX-License-Identifier: Apache-2.0
"""Train a policy on a folder of rosbag2 recordings, or on the demonstrations of Push-T.

`ros2 run dp_ros train --data DIR --config FILE --out DIR`; on several GPUs
`accelerate launch --module dp_ros.tools.train --data DIR --config FILE --out DIR`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import json
import os
from pathlib import Path
import shlex
import sys
from typing import Any

from accelerate import PartialState
from dp_ros.data.bags.bag import BagTopics
from dp_ros.data.datasets.dataset import DatasetError, WindowDataset, find_bags, load_dataset
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.data.formats.pusht import is_pusht, load_pusht
from dp_ros.data.windows.window import window_spec
from dp_ros.policy.checkpoint import load_description, save_checkpoint
from dp_ros.policy.network import PolicyNetwork
from dp_ros.task.task import first_difference
from dp_ros.tools.common.progress import make_progress
from dp_ros.training.config import RunConfig
from dp_ros.training.config_file import action_spec, read_config
from dp_ros.training.metrics import METRICS
from dp_ros.training.model_card import write_model_card
from dp_ros.training.record import clear_state, describe_training
from dp_ros.training.teacher import load_teacher
from dp_ros.training.trainer import TrainingError, train
from dp_ros.values import ConfigError
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
import torch


def main() -> int:
    """Parse the command line, load, train, write the checkpoint, its card and its picture."""
    args = _parse(sys.argv[1:])
    console = Console(quiet=os.environ.get('RANK', '0') != '0')  # Only the first process prints.
    try:
        _run(args, console)
    except (ConfigError, DatasetError, TrainingError, OSError) as error:
        console.print(f'train: {error}', style='red', markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print('interrupted; go on with the same command and --resume')
        return 130
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros train', description=__doc__)
    parser.add_argument(
        '--data',
        type=Path,
        required=True,
        help='folder of rosbag2 recordings, or of the Push-T arrays',
    )
    parser.add_argument('--config', type=Path, required=True, help='training configuration (YAML)')
    parser.add_argument('--out', type=Path, required=True, help='folder for the checkpoint')
    parser.add_argument('--resume', action='store_true', help='continue an interrupted run')
    parser.add_argument(
        '--device', choices=('cpu',), help='train on the CPU (default: on a GPU if there is one)'
    )
    parser.add_argument(
        '--steps', type=int, help='number of training steps; short for --set train.steps=N'
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=torch.get_num_threads(),
        help='number of CPU threads (default: %(default)s)',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='SECTION.KEY=VALUE',
        help='change a value of the configuration, such as train.steps=2000; repeatable',
    )
    args = parser.parse_args(argv)
    if args.steps is not None:
        args.set.append(f'train.steps={args.steps}')
    return args


def _run(args: argparse.Namespace, console: Console) -> None:
    torch.set_num_threads(args.threads)
    recorded = None if is_pusht(args.data) else recorded_task(find_bags(args.data))
    config = read_config(args.config, args.set, recorded)
    load_teacher(config.policy)  # Reports errors before the data are read.
    difference = first_difference(recorded, config.policy.task) if recorded else None
    if difference is not None:
        console.print(
            f'recordings and configuration differ: {difference}: the second is used',
            style='yellow',
            markup=False,
            soft_wrap=True,
        )
    with make_progress(console) as progress:
        dataset = _load(args.data, config, progress)
        task = progress.add_task('training', total=config.train.steps)

        def report(step: int, loss: float) -> None:
            progress.update(task, completed=step, description=f'training  loss {loss:.4f}')

        network = train(dataset, config, args.out, report, resume=args.resume, device=args.device)
    if PartialState().is_main_process:
        _store(args.out, network, config, dataset)
        console.print(f'checkpoint: {args.out}', markup=False)


def _load(folder: Path, config: RunConfig, progress: Progress) -> WindowDataset:
    task = config.policy.task
    if is_pusht(folder):
        dataset, skipped = load_pusht(folder, task, action_spec(config)), []
    else:
        dataset, skipped = load_dataset(
            folder,
            window_spec(task),
            BagTopics.of(task, config.train.actions),
            action_spec(config),
            lambda bags: progress.track(bags, description='reading bags'),
        )
    for line in skipped:
        progress.console.print(f'skipped: {line}', style='yellow', markup=False, soft_wrap=True)
    if skipped:
        progress.console.print(
            f'recordings skipped: {len(skipped)}; see `ros2 run dp_ros inspect {folder}`',
            markup=False,
            soft_wrap=True,
        )
    for line in dataset.cut:
        progress.console.print(line, style='yellow', markup=False, soft_wrap=True)
    if dataset.n_measured:
        progress.console.print(
            f'{dataset.n_measured} of {dataset.n_episodes} episodes without commands, as guided '
            'by hand: their actions are the measured positions',
            markup=False,
        )
    if dataset.n_unchecked:
        progress.console.print(
            f'{dataset.n_unchecked} of {dataset.n_episodes} episodes without checksums: damage in '
            'them may go unnoticed',
            markup=False,
        )
    progress.console.print(
        f'{dataset.n_episodes} episodes, {len(dataset)} windows, sha256 {dataset.digest[:16]}',
        highlight=False,
    )
    return dataset


def _store(out: Path, network: PolicyNetwork, config: RunConfig, dataset: WindowDataset) -> None:
    """Write the checkpoint, its picture and its card, then remove the saved state."""
    metrics = [json.loads(line) for line in (out / METRICS).read_text().splitlines()]
    save_checkpoint(out, network, describe_training(network, config, dataset, metrics[-1]))
    draw_training(metrics, out / 'training.png')
    words = [word for word in sys.argv[1:] if word != '--resume']
    command = '$ ' + shlex.join(['ros2', 'run', 'dp_ros', 'train', *words])
    write_model_card(out, load_description(out), command)
    clear_state(out)


def draw_training(metrics: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draw the loss and the error of sampled actions over the steps."""
    figure = Figure(figsize=(9, 4), dpi=110, layout='constrained')
    left, right = figure.subplots(1, 2)
    steps = [entry['step'] for entry in metrics]
    losses = {
        name: [entry[key] for entry in metrics]
        for name, key in (('training', 'loss'), ('validation', 'validation_loss'))
    }
    for name, values in losses.items():
        left.plot(steps, values, label=name)
    positive = all(value > 0 for values in losses.values() for value in values)
    scale = 'log' if positive else 'linear'  # A negative log-likelihood may go below zero.
    left.set(xlabel='step', ylabel='loss', yscale=scale)
    left.legend()
    right.plot(steps, [entry['action_error'] for entry in metrics], color='tab:green')
    right.set(xlabel='step', ylabel='mean error of sampled actions', yscale='log')
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(file)


if __name__ == '__main__':
    sys.exit(main())
