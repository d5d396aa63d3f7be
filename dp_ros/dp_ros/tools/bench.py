# SPDX-License-Identifier: Apache-2.0
"""Measure what a chunk costs, and how fast the simulation is.

`ros2 run dp_ros bench [--policy models/reach] [--json out.json]`

Figures are ratios of medians. What is compared takes turns in one run, so that another busy
process slows all of it alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import sys
import time

from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.network import PolicyNetwork
from dp_ros.tools.bench_runs import STEPS, chunk_runs, loop_runs, untrained
import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One thing measured.

    :param milliseconds: median of one run.
    :param ratio: how many times longer ``reference`` takes.
    """

    name: str
    milliseconds: float
    ratio: float
    reference: str


def main() -> int:
    """Measure, print a table, and store the figures where asked."""
    args = _parse(sys.argv[1:])
    console = Console()
    try:
        network = untrained() if args.policy is None else load_network(args.policy)
    except CheckpointError as error:
        console.print(f'bench: {error}', style='red', markup=False)
        return 1
    with console.status('measuring'):
        figures = measure(network, args.rounds)
    console.print(as_table(figures))
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + '\n')
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros bench', description=__doc__)
    parser.add_argument(
        '--policy', type=Path, help='checkpoint; else an untrained one of its size'
    )
    parser.add_argument('--rounds', type=int, default=30, help='runs of each thing')
    parser.add_argument('--json', type=Path, help='file for the figures')
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error(f'--rounds {args.rounds}: needs at least 1')
    return args


def measure(network: PolicyNetwork, rounds: int) -> list[Figure]:
    """Compare the engines with each other, and the rest of the loop with the time it has."""
    chunks = medians(chunk_runs(network), rounds)
    first = next(iter(chunks))
    figures = [Figure(name, t, chunks[first] / t, first) for name, t in chunks.items()]
    dt = network.config.dt
    with loop_runs(network.config) as runs:
        rest = medians(runs, rounds)
    return figures + [Figure(name, t, 1e3 * dt / t, f'dt, {dt:g} s') for name, t in rest.items()]


def medians(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time [ms] of each run; they take turns, after one round to warm up."""
    seconds = np.empty((rounds + 1, len(runs)))
    for turn in seconds:
        for index, run in enumerate(runs.values()):
            start = time.perf_counter()
            run()
            turn[index] = time.perf_counter() - start
    return dict(zip(runs, (1e3 * np.median(seconds[1:], axis=0)).tolist(), strict=True))


def as_table(figures: Sequence[Figure]) -> Table:
    """Return the figures as a table."""
    table = Table(caption=f'a chunk is {STEPS} steps of DDIM')
    for heading in ('', 'median', 'times faster', 'than'):
        table.add_column(heading, justify='right' if heading[:1] in ('m', 't') else 'left')
    for figure in figures:
        ratio = f'{figure.ratio:.2f}' if figure.ratio < 100 else f'{figure.ratio:.0f}'
        table.add_row(figure.name, f'{figure.milliseconds:.3g} ms', ratio, figure.reference)
    return table


if __name__ == '__main__':
    sys.exit(main())
