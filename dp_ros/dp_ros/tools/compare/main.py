# SPDX-License-Identifier: Apache-2.0
"""Train several methods, evaluate them in the same scenes, and write a table and pictures.

`ros2 run dp_ros compare --data DIR --config FILE --out DIR`

Every method is trained with every seed and runs the same scenes in the simulation, without ROS.
The same command continues an interrupted comparison, whose parts are kept in the output folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from dp_ros.outside import read_yaml
from dp_ros.policy.checkpoint import load_policy
from dp_ros.policy.policy import Policy, blank_observation
from dp_ros.tools.common.closed_loop import ClosedLoop
from dp_ros.tools.common.page import Page, PageError
from dp_ros.tools.common.resumable import measure_all, run_resumable
from dp_ros.tools.common.timing import medians
from dp_ros.tools.compare.report import CAPTION, PICTURE, TABLE, write_report
from dp_ros.training.record import saved_state
from dp_ros.values import ConfigError, make_value
import numpy as np
from rich.console import Console
from rich.progress import track

RESULTS = 'results.json'
_TIMED_CHUNKS = 30
_AGAIN, _TIMES = 12, 4  # Number of scenes that are repeated, and of their repetitions.


class CompareError(RuntimeError):
    """A comparison cannot go on."""


@dataclass(frozen=True)
class Comparison:
    """Configuration of a comparison.

    :param base: file of the common training configuration, beside this one.
    :param common: changes of it for all methods, as `SECTION.KEY: value`.
    :param methods: further changes of each method, or the folder of a trained policy; in a text,
        `{out}` and `{seed}` stand for those of the run.
    :param seeds: seeds of the trainings; ``episodes``: number of scenes for each trained policy.
    :param num_inference_steps: number of denoising steps in the table.
    :param curve: numbers of denoising steps for the curve, by method and sampler.
    """

    base: str
    methods: Mapping[str, Mapping[str, Any] | str]
    common: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0, 1, 2)
    episodes: int = 50
    num_inference_steps: int = 10
    curve: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.episodes < 1 or not self.seeds or not self.methods:
            raise ConfigError('a comparison needs methods, seeds and at least 1 episode')
        unknown = sorted(set(self.curve) - set(self.methods))
        if unknown:
            raise ConfigError(f'curve: {unknown} are not among the methods')


@dataclass(frozen=True)
class Case:
    """One measurement: a trained policy, its sampler and its number of steps."""

    method: str
    seed: int
    sampler: str
    num_inference_steps: int

    @property
    def name(self) -> str:
        """Name of the case in the results."""
        return f'{self.method} {self.seed} {self.sampler} {self.num_inference_steps}'


def main() -> int:
    """Parse the command line and compare."""
    errors = (CompareError, PageError, ValueError, OSError)
    return run_resumable('compare', partial(_compare, _parse(sys.argv[1:])), *errors)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros compare', description=__doc__)
    parser.add_argument('--data', type=Path, help='folder of rosbag2 recordings to train on')
    parser.add_argument(
        '--config', type=Path, required=True, help='configuration of the comparison (YAML)'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for policies and results')
    parser.add_argument(
        '--seeds', type=int, nargs='+', help='seeds of the trainings (default: those in --config)'
    )
    parser.add_argument(
        '--page',
        type=Path,
        help='Markdown file whose lines between <!-- NAME --> and <!-- /NAME --> are replaced by '
        'the table and the picture; NAME is that of --config without its ending',
    )
    return parser.parse_args(argv)


def read_comparison(file: Path) -> Comparison:
    """Read the configuration of a comparison.

    :raises ConfigError: for an unknown or missing key, or a value that is not allowed.
    """
    values = read_yaml(file)
    if not isinstance(values, dict):
        raise ConfigError(f'{file}: needs the keys base and methods')
    comparison: Comparison = make_value(Comparison, values, str(file))
    return comparison


def cases(comparison: Comparison) -> Iterator[Case]:
    """Yield the cases: those of the table for every seed, those of the curve for the first."""
    for seed in comparison.seeds:
        for method in comparison.methods:
            yield Case(method, seed, 'auto', comparison.num_inference_steps)
    for method, samplers in comparison.curve.items():
        for sampler, counts in samplers.items():
            for count in counts:
                yield Case(method, comparison.seeds[0], sampler, count)


def _compare(args: argparse.Namespace, console: Console) -> None:
    comparison = read_comparison(args.config)
    page = None if args.page is None else Page(args.page, args.config.stem)
    if args.seeds:
        comparison = replace(comparison, seeds=args.seeds)
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in comparison.seeds:
        for method in comparison.methods:
            _train(args, comparison, method, seed, console)

    def measured(case: Case) -> dict[str, Any]:
        policy = load_policy(folder_of(args.out, comparison, case.method, case.seed))
        return asdict(case) | measure(policy, case, comparison.episodes, console)

    results = measure_all(args.out / RESULTS, cases(comparison), measured)
    write_report([results[case.name] for case in cases(comparison)], args.out)
    if page is not None:
        page.replace(args.out / TABLE, args.out / PICTURE, CAPTION)
    console.print((args.out / TABLE).read_text(), markup=False, highlight=False, soft_wrap=True)


def folder_of(out: Path, comparison: Comparison, method: str, seed: int) -> Path:
    """Return the folder of a trained policy."""
    named = comparison.methods[method]
    return Path(named) if isinstance(named, str) else out / f'{method}-{seed}'


def _train(
    args: argparse.Namespace, comparison: Comparison, method: str, seed: int, console: Console
) -> None:
    """Train one policy by the command `train`, unless it exists."""
    folder, changes = folder_of(args.out, comparison, method, seed), comparison.methods[method]
    if isinstance(changes, str) or (folder / 'policy.json').is_file():
        return
    console.rule(folder.name)
    base = args.config.parent / comparison.base
    command = [sys.executable, '-m', 'dp_ros.tools.train']
    if args.data is None:
        raise CompareError(f'{folder.name} is not trained yet: needs --data')
    command += ['--data', str(args.data), '--config', str(base), '--out', str(folder)]
    for key, value in {**comparison.common, **changes, 'train.seed': seed}.items():
        filled = value.format(out=args.out, seed=seed) if isinstance(value, str) else value
        command += ['--set', f'{key}={json.dumps(filled)}']
    if saved_state(folder) is not None:
        command.append('--resume')
    code = subprocess.run(command, check=False).returncode
    if code != 0:
        raise CompareError(f'{folder.name}: training ended with exit code {code}')


def measure(policy: Policy, case: Case, episodes: int, console: Console) -> dict[str, Any]:
    """Run the episodes of a case and time its chunks."""
    settings = {'sampler': case.sampler, 'num_inference_steps': case.num_inference_steps}
    policy.config.method.check_sampling(**settings)
    loop = ClosedLoop(policy)
    try:
        seeds = track(range(episodes), case.name, console=console)
        outcomes = [loop.run(seed, **settings) for seed in seeds]
        again = _both_ways(loop, settings) if case.sampler == 'auto' else None
    finally:
        loop.close()
    sides = [outcome.side for outcome in outcomes if outcome.side]
    return {
        'episodes': episodes,
        'successes': sum(outcome.success for outcome in outcomes),
        'collisions': sum(outcome.collision for outcome in outcomes),
        'left_share': sides.count('left') / len(sides) if sides else None,
        'both_ways': again,
        'judge_violations': sum(outcome.judge_violations for outcome in outcomes),
        'duration_s': float(np.mean([outcome.duration for outcome in outcomes])),
        'chunk_ms': chunk_ms(policy, settings),
    }


def _both_ways(loop: ClosedLoop, settings: Mapping[str, Any]) -> float:
    """Return the share of scenes that are passed on both sides when only the noise differs."""
    ways = [
        {loop.run(scene, noise_seed=noise, **settings).side for noise in range(_TIMES)}
        for scene in range(_AGAIN)
    ]
    return sum({'left', 'right'} <= sides for sides in ways) / len(ways)


def chunk_ms(policy: Policy, settings: Mapping[str, Any]) -> float:
    """Return the median time of a chunk from its observation, encoding included [ms]."""
    observation = blank_observation(policy.config)
    runs = {'chunk': lambda: policy.infer(observation, 0, **settings)}
    return medians(runs, _TIMED_CHUNKS)['chunk']


if __name__ == '__main__':
    sys.exit(main())
