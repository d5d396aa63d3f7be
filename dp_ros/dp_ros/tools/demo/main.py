# SPDX-License-Identifier: Apache-2.0
"""Run a policy in simulation, and write a summary, a video and a picture, all in three minutes.

`./dp demo`, or with ROS 2 sourced: `ros2 run dp_ros demo --models models`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import random
import sys

from dp_ros.sim.render import VideoScene
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.tools.common.episodes.rollout import Rollout, RolloutError
from dp_ros.tools.common.episodes.runs import figures_of, run_episodes, running_simulation
from dp_ros.tools.common.episodes.summary import Fault, describe
from dp_ros.tools.common.video import write_video
from dp_ros.tools.demo.picture import RunFromAbove, draw_comparison
from dp_ros.tools.demo.replay import replay
from rclpy.utilities import try_shutdown
from rich.console import Console
from rich.progress import track

BASELINES = {'mse': 'reach_mse'}
TITLES = {
    'reach': 'Diffusion policy: commits to a side',
    'reach_mse': 'Squared error: one answer to each observation',
}
FPS = 20


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
        '--episodes', type=int, default=6, help='number of episodes (default: %(default)s)'
    )
    parser.add_argument('--seed', type=int, help='seed of the first scene (default: random)')
    parser.add_argument(
        '--baseline', choices=sorted(BASELINES), help='baseline to run instead of the policy'
    )
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
    for model in _plan(args):
        if not (args.models / model / 'policy.json').is_file():
            parser.error(f'no policy in {args.models / model}: say where with --models')
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f'--out {args.out}: {error.strerror}')
    return args


def _plan(args: argparse.Namespace) -> dict[str, range]:
    """Return the seeds of each model; the summary is about the first model."""
    seeds = range(args.seed, args.seed + args.episodes)
    if args.baseline:
        return {BASELINES[args.baseline]: seeds}
    return {'reach': seeds, 'reach_mse': seeds}


def _demo(args: argparse.Namespace, console: Console) -> None:
    runs: dict[str, list[Rollout | Fault]] = {}
    for index, (model, seeds) in enumerate(_plan(args).items()):
        arguments = [f'policy:={(args.models / model).resolve()}']
        arguments += [] if args.no_view else ['view:=true']
        log = args.out / f'{model}.log'
        with running_simulation(arguments, log, console, keep_markers=True) as (
            simulation,
            client,
        ):
            if index == 0 and (address := simulation.view()):
                console.print(f'watch it in a browser: {address}', markup=False)
            runs[model] = list(run_episodes(client, seeds, console, model))
            if index == 0:
                peaks = simulation.peak_rss_mb()
    summary = figures_of(next(iter(runs.values())), peaks)
    (args.out / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    rollouts = {
        model: [run for run in several if isinstance(run, Rollout)]
        for model, several in runs.items()
    }
    _draw(rollouts, args.out, console)
    console.print(describe(summary), markup=False)
    for name in ('summary.json', 'picture.png', 'video.mp4'):
        console.print(f'{args.out / name}', markup=False)


def _draw(rollouts: dict[str, list[Rollout]], out: Path, console: Console) -> None:
    panels = {
        TITLES[model]: [RunFromAbove.from_rollout(run) for run in runs]
        for model, runs in rollouts.items()
    }
    draw_comparison(panels, out / 'picture.png')
    scenes = [(TITLES[model], run) for model, runs in rollouts.items() for run in runs]
    video = VideoScene(REACH)
    episodes = track(scenes, 'video', console=console, transient=True)
    frames = (frame for title, run in episodes for frame in replay(video, run, title, FPS))
    write_video(frames, out / 'video.mp4', FPS)
    video.close()


if __name__ == '__main__':
    sys.exit(main())
