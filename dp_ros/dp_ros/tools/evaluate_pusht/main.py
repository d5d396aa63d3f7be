# SPDX-License-Identifier: Apache-2.0
"""Evaluate policies on Push-T by the papers' protocol, without ROS.

`ros2 run dp_ros evaluate_pusht --policy models/pusht --json out.json --video out.mp4`; for all
policies that a training run kept, `--policy RUN/steps/* --picture scores.png`.

The score of an episode is the largest coverage of the outline within 300 steps, divided by 0.95,
and at most 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
import json
from pathlib import Path
import shlex
import sys
import time
from typing import Final

from dp_ros.arrays import Rgb
from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.sim.scenarios.pusht.table import CONTROL_HZ, PushTEpisode, PushTMissingError
from dp_ros.tools.common.progress import make_progress
from dp_ros.tools.common.video import write_video
from dp_ros.tools.evaluate_pusht.rollout import BatchPolicy, run
from dp_ros.tools.evaluate_pusht.summary import (
    Summary,
    describe,
    describe_run,
    draw,
    summarize,
    summarize_run,
)
from dp_ros.training.model_card import add_measurement
from dp_ros.values import ConfigError
import numpy as np
from rich.console import Console
import torch

PUBLISHED_SEED: Final = 100_000
"""Seed of the first of the papers' 50 initial conditions."""
_FILMED: Final = 5


def main() -> int:
    """Parse the command line, run the episodes, print and store the figures."""
    args = _parse(sys.argv[1:])
    console = Console()
    try:
        summaries = [_evaluate(folder, args, console) for folder in args.policy]
        found = summaries[0] if len(summaries) == 1 else summarize_run(summaries)
        args.json.write_text(json.dumps(found, indent=2) + '\n')
        if args.picture:
            draw(summaries, args.picture)
    except (CheckpointError, ConfigError, PushTMissingError, OSError) as error:
        console.print(f'evaluate_pusht: {error}', style='red', markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    if len(summaries) > 1:
        console.print(describe_run(found), markup=False, highlight=False)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros evaluate_pusht', description=__doc__)
    parser.add_argument(
        '--policy',
        type=Path,
        nargs='+',
        required=True,
        help='checkpoint folders, in the order of training',
    )
    parser.add_argument(
        '--episodes', type=int, default=50, help='number of episodes (default: %(default)s)'
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=PUBLISHED_SEED,
        help='seed of the first episode; each further one adds 1 (default: %(default)s)',
    )
    parser.add_argument(
        '--sampler',
        default='auto',
        help='sampler of the method; auto: its first (default: %(default)s)',
    )
    parser.add_argument(
        '--num-inference-steps',
        type=int,
        default=16,
        help='number of denoising steps (default: %(default)s)',
    )
    parser.add_argument(
        '--json',
        type=Path,
        default=Path('evaluation.json'),
        help='file for the results (default: %(default)s)',
    )
    parser.add_argument(
        '--video',
        type=Path,
        help=f'mp4 file for the first {_FILMED} episodes of the last policy',
    )
    parser.add_argument('--picture', type=Path, help='png file for the scores of all policies')
    parser.add_argument(
        '--threads', type=int, default=1, help='number of CPU threads (default: %(default)s)'
    )
    parser.add_argument(
        '--card', action='store_true', help="write the results into the policy's README.md"
    )
    args = parser.parse_args(argv)
    for key in ('episodes', 'threads'):
        if getattr(args, key) < 1:
            parser.error(f'--{key} {getattr(args, key)}: needs at least 1')
    if not 0 <= args.seed <= 2**32 - args.episodes:
        parser.error(f'--seed {args.seed}: needs 0 to 2**32 - episodes')
    for key in ('json', 'video', 'picture'):
        file = getattr(args, key)
        if file and not file.parent.is_dir():
            parser.error(f'--{key} {file}: no such folder')
    return args


def _evaluate(folder: Path, args: argparse.Namespace, console: Console) -> Summary:
    """Run the episodes of one policy; print and store its figures."""
    torch.set_num_threads(args.threads)
    chunks = BatchPolicy(load_network(folder), args.sampler, args.num_inference_steps)
    config = chunks.network.config
    filmed = _FILMED if args.video and folder == args.policy[-1] else 0
    episodes = [
        PushTEpisode(
            args.seed + index,
            config.n_obs_steps,
            keep_images=bool(config.image_sizes),
            keep_pictures=index < filmed,
        )
        for index in range(args.episodes)
    ]
    started = time.monotonic()
    with make_progress(console, live=True) as progress:
        task = progress.add_task(folder.name, total=len(episodes), live='')

        def report(score: float, done: int) -> None:
            progress.update(task, completed=done, live=f'score {score:.3f}')

        run(episodes, chunks, report)
    summary = {'policy': folder.name} | summarize(episodes)
    summary |= {
        'sampler': config.method.sampler(args.sampler),
        'num_inference_steps': args.num_inference_steps,
        'n_action_steps': config.n_action_steps,
        'seconds': time.monotonic() - started,
    }
    if filmed:
        write_video(film(episodes), args.video, CONTROL_HZ)
    console.print(describe(summary), markup=False, highlight=False)
    if args.card:
        _add_to_card(folder, describe(summary))
    return summary


def _add_to_card(folder: Path, figures: str) -> None:
    words = (word for word in sys.argv[1:] if word != '--card')
    add_measurement(
        folder, shlex.join(['ros2', 'run', 'dp_ros', 'evaluate_pusht', *words]), figures
    )


def film(episodes: Sequence[PushTEpisode]) -> Iterator[Rgb]:
    """Yield frames of the filmed episodes side by side; one that is done stands still."""
    reels = [episode.pictures for episode in episodes if episode.pictures]
    for step in range(max(len(reel) for reel in reels)):
        yield np.hstack([reel[min(step, len(reel) - 1)] for reel in reels])


if __name__ == '__main__':
    sys.exit(main())
