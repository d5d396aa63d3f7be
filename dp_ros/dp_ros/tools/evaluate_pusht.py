# SPDX-License-Identifier: Apache-2.0
"""Measure a policy on Push-T by the papers' protocol, without ROS.

`ros2 run dp_ros evaluate_pusht --policy models/pusht --json out.json --video out.mp4`

The score of an episode is the best coverage of the outline within 300 steps, where 95 % is all.
All episodes that still run are denoised as one batch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
import json
from pathlib import Path
import shlex
import sys
import time
from typing import Any, Final

from dp_ros.data.pusht import ACTIONS, CAMERA, check_pusht, observe
from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.config import ConfigError
from dp_ros.policy.model_card import add_measurement
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import chunk_seed
from dp_ros.sim.pusht import CONTROL_HZ, PushTEpisode, PushTMissingError
from dp_ros.tools.summary import wilson
from dp_ros.tools.video import write_video
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
import torch

PUBLISHED_SEED: Final = 100_000
"""Seed of the first of the papers' 50 initial conditions."""
_FILMED: Final = 5
_RESAMPLES: Final = 10_000


def main() -> int:
    """Parse the command line, run the episodes, print and store the figures."""
    args = _parse(sys.argv[1:])
    console = Console()
    try:
        summary, episodes = _evaluate(args, console)
        args.json.write_text(json.dumps(summary, indent=2) + '\n')
        if args.video:
            write_video(film(episodes), args.video, CONTROL_HZ)
    except (CheckpointError, ConfigError, PushTMissingError, OSError) as error:
        console.print(f'evaluate_pusht: {error}', style='red', markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    figures = describe(summary)
    console.print(figures, markup=False, highlight=False)
    if args.card:
        words = (word for word in sys.argv[1:] if word != '--card')
        command = shlex.join(['ros2', 'run', 'dp_ros', 'evaluate_pusht', *words])
        add_measurement(args.policy, command, figures)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros evaluate_pusht', description=__doc__)
    parser.add_argument('--policy', type=Path, required=True, help='folder of the checkpoint')
    parser.add_argument('--episodes', type=int, default=50)
    parser.add_argument(
        '--seed', type=int, default=PUBLISHED_SEED, help='of the first episode; then +1 each'
    )
    parser.add_argument('--sampler', default='auto', help="one of the method's")
    parser.add_argument('--num-inference-steps', type=int, default=16)
    parser.add_argument('--json', type=Path, default=Path('evaluation.json'))
    parser.add_argument('--video', type=Path, help=f'mp4 of the first {_FILMED} episodes')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument(
        '--card', action='store_true', help="write the figures into the policy's README.md"
    )
    args = parser.parse_args(argv)
    for key in ('episodes', 'threads'):
        if getattr(args, key) < 1:
            parser.error(f'--{key} {getattr(args, key)}: needs at least 1')
    if not 0 <= args.seed <= 2**32 - args.episodes:
        parser.error(f'--seed {args.seed}: needs 0 to 2**32 - episodes')
    for key in ('json', 'video'):
        file = getattr(args, key)
        if file and not file.parent.is_dir():
            parser.error(f'--{key} {file}: no such folder')
    return args


def _evaluate(
    args: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], list[PushTEpisode]]:
    torch.set_num_threads(args.threads)
    chunks = BatchPolicy(load_network(args.policy), args.sampler, args.num_inference_steps)
    config = chunks.network.config
    episodes = [
        PushTEpisode(
            args.seed + index,
            config.n_obs_steps,
            keep_images=bool(config.image_sizes),
            keep_pictures=args.video is not None and index < _FILMED,
        )
        for index in range(args.episodes)
    ]
    started = time.monotonic()
    with _progress(console) as progress:
        task = progress.add_task(args.policy.name, total=len(episodes), live='')

        def report(score: float, done: int) -> None:
            progress.update(task, completed=done, live=f'score {score:.3f}')

        run(episodes, chunks, report)
    settings = {
        'sampler': config.method.sampler(args.sampler),
        'num_inference_steps': args.num_inference_steps,
        'n_action_steps': config.n_action_steps,
    }
    return summarize(episodes) | settings | {'seconds': time.monotonic() - started}, episodes


class BatchPolicy:
    """A policy asked for many episodes at a time.

    :raises ConfigError: for a policy of another task, or a way of sampling that it does not have.
    """

    def __init__(self, network: PolicyNetwork, sampler: str, num_inference_steps: int) -> None:
        check_pusht(network.config)
        network.config.method.check_sampling(sampler, num_inference_steps)
        self.network = network.eval()
        self._sampler = network.config.method.sampler(sampler)
        self._num_inference_steps = num_inference_steps

    @torch.no_grad()
    def __call__(self, episodes: Sequence[PushTEpisode]) -> NDArray[np.float64]:
        """Return the targets (B, Ta, 2) [px] to follow next, in x and y."""
        network, config = self.network, self.network.config
        states = [observe(episode.states, config.state_names) for episode in episodes]
        images = {}
        if config.image_sizes:
            stacks = np.stack([episode.images for episode in episodes])
            images[CAMERA] = torch.from_numpy(stacks).movedim(-1, 2)
        cond = network.condition(torch.from_numpy(np.stack(states)), images)
        *_, sample = config.method.walk(
            network.denoise,
            torch.stack([self._noise(episode) for episode in episodes]),
            cond,
            self._sampler,
            self._num_inference_steps,
            torch.Generator().manual_seed(chunk_seed(episodes[0].seed, episodes[0].steps)),
        )
        past = config.n_obs_steps - 1
        targets = network.actions.inverse(sample)[:, past : past + config.n_action_steps]
        order = [config.joint_names.index(name) for name in ACTIONS]
        return targets[..., order].numpy().astype(np.float64)

    def _noise(self, episode: PushTEpisode) -> torch.Tensor:
        generator = torch.Generator().manual_seed(chunk_seed(episode.seed, episode.steps))
        shapes = self.network.shapes
        return torch.randn(shapes.horizon, shapes.n_in, generator=generator)


def run(
    episodes: Sequence[PushTEpisode],
    chunks: Callable[[Sequence[PushTEpisode]], NDArray[np.float64]],
    report: Callable[[float, int], None],
) -> None:
    """Run all episodes to their ends.

    :param report: told the mean score so far, and how many are done.
    """
    while running := [episode for episode in episodes if not episode.done]:
        for episode, targets in zip(running, chunks(running), strict=True):
            episode.follow(targets)
        done = sum(episode.done for episode in episodes)
        report(float(np.mean([episode.score for episode in episodes])), done)


def summarize(episodes: Sequence[PushTEpisode]) -> dict[str, Any]:
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


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a mean, by the percentiles of resampled means (Efron 1979)."""
    rng = np.random.default_rng(seed)
    means = rng.choice(np.asarray(values), (_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def describe(summary: dict[str, Any]) -> str:
    """Say the figures in a few lines."""
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


def film(episodes: Sequence[PushTEpisode]) -> Iterator[NDArray[np.uint8]]:
    """Yield the filmed episodes side by side; one that is done stands still."""
    reels = [episode.pictures for episode in episodes if episode.pictures]
    for step in range(max(len(reel) for reel in reels)):
        yield np.hstack([reel[min(step, len(reel) - 1)] for reel in reels])


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('{task.fields[live]}'),
        console=console,
    )


if __name__ == '__main__':
    sys.exit(main())
