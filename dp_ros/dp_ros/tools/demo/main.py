# SPDX-License-Identifier: Apache-2.0
"""Run two policies in the same simulated scenes: one trained by diffusion, one by regression.

`./dp demo`, or with ROS 2 sourced: `ros2 run dp_ros demo --models models`

Both learned from the same demonstrations, half of them past the obstacle on the left and half on
the right. Prints a table, and writes a picture and a video of the runs, all in three minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
import json
from pathlib import Path
import random
import sys
from typing import Any, Final

from dp_ros.arrays import Rgb
from dp_ros.sim.scenarios.dash.scenario import DASH
from dp_ros.tools.common.episodes.rollout import Rollout, RolloutError
from dp_ros.tools.common.episodes.runs import figures_of, run_episodes, running_simulation
from dp_ros.tools.common.episodes.summary import Fault
from dp_ros.tools.common.video import write_video
from dp_ros.tools.demo.outcome import outcome_table, what_next
from dp_ros.tools.demo.picture import RunFromAbove, draw_comparison
from dp_ros.tools.demo.replay import FPS, Film
from rclpy.utilities import try_shutdown
from rich.console import Console
from rich.progress import track

TITLES: Final = {
    'dash': 'Diffusion: commits to a side',
    'dash_mse': 'Regression: the mean of both sides',
}
"""The two policies by their folders, and what the pictures call them."""


def main() -> int:
    """Parse the command line, run the episodes, write the results to the output folder."""
    args = _parse(sys.argv[1:])
    console = Console()
    try:
        _demo(args, console)
    except RolloutError as error:
        console.print(f'demo: {error}', style='red', markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        try_shutdown()
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='./dp demo', description=__doc__)
    parser.add_argument(
        '--episodes', type=int, default=8, help='number of scenes (default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, help='seed of the first scene (default: random)')
    parser.add_argument(
        '--models',
        type=Path,
        default=Path('models'),
        help='folder of the shipped models (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('demo_out'),
        help='folder for the results (default: %(default)s)',
    )
    parser.add_argument(
        '--no-view', action='store_true', help='do not serve the view in the browser'
    )
    args = parser.parse_args(argv)
    if args.episodes < 1:
        parser.error(f'--episodes {args.episodes}: needs at least 1')
    if args.seed is not None and args.seed < 0:
        parser.error(f'--seed {args.seed}: needs at least 0')
    if args.seed is None:
        args.seed = random.randrange(100_000)
    for model in TITLES:
        if not (args.models / model / 'policy.json').is_file():
            parser.error(f'no policy in {args.models / model}: say where with --models')
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f'--out {args.out}: {error.strerror}')
    return args


def _demo(args: argparse.Namespace, console: Console) -> None:
    runs: dict[str, list[Rollout | Fault]] = {}
    summary: dict[str, Any] = {}
    for model in TITLES:
        runs[model], peaks = _run(args, model, console)
        summary[model] = figures_of(runs[model], peaks)
    (args.out / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    _draw(_scenes(runs), args.out, console)
    console.print(outcome_table(summary))
    console.print(what_next(args.out, args.models), markup=False, highlight=False, soft_wrap=True)


def _run(
    args: argparse.Namespace, model: str, console: Console
) -> tuple[list[Rollout | Fault], dict[str, float]]:
    """Run all scenes with one policy; return the runs, and the peak memory of its nodes [MB]."""
    arguments = [f'policy:={(args.models / model).resolve()}']
    arguments += [] if args.no_view else ['view:=true']
    log, seeds = args.out / f'{model}.log', range(args.seed, args.seed + args.episodes)
    console.print(f'[bold]{TITLES[model]}[/]')
    with running_simulation(arguments, log, console, keep_markers=True) as (simulation, client):
        if address := simulation.view():
            console.print(f'watch it in a browser: {address}', markup=False)
        runs = list(run_episodes(client, seeds, console, model))
        return runs, simulation.peak_rss_mb()


def _scenes(runs: Mapping[str, Sequence[Rollout | Fault]]) -> list[dict[str, Rollout]]:
    """Return the rollouts of each scene by title, of the scenes that all policies completed.

    :raises RolloutError: when there is none.
    """
    done = {
        TITLES[model]: {run.result.seed: run for run in several if isinstance(run, Rollout)}
        for model, several in runs.items()
    }
    common = sorted(set.intersection(*(set(rollouts) for rollouts in done.values())))
    if not common:
        raise RolloutError('no scene was completed by both policies: nothing can be shown')
    return [{title: rollouts[seed] for title, rollouts in done.items()} for seed in common]


def _draw(scenes: Sequence[Mapping[str, Rollout]], out: Path, console: Console) -> None:
    panels = {
        title: [RunFromAbove.from_rollout(rollouts[title], DASH) for rollouts in scenes]
        for title in TITLES.values()
    }
    draw_comparison(panels, out / 'picture.png')
    film = Film(DASH)

    def frames() -> Iterator[Rgb]:
        for rollouts in track(scenes, 'video', console=console, transient=True):
            yield from film.frames(rollouts)

    try:
        write_video(frames(), out / 'video.mp4', FPS)
    finally:
        film.close()


if __name__ == '__main__':
    sys.exit(main())
