# SPDX-License-Identifier: Apache-2.0
"""Measure the time and memory of a chunk with each engine, and the time of the rest of the loop.

`ros2 run dp_ros bench [--cases small transformer paper loop models/reach] [--json out.json]`

Times are medians; speed-ups are ratios of medians. Compared engines take turns within one run, so
that another busy process slows them all alike. The engine `torch` is the reference: eager PyTorch
that encodes the observation once and runs every step through the network and diffusers' scheduler.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import sys

from dp_ros.policy.checkpoint import CheckpointError
from dp_ros.policy.config import PolicyConfig
from dp_ros.tools.bench.cases import CASES, STEPS, TASK, chunk_runs, cost, engines, make_network
from dp_ros.tools.bench.machine import floors
from dp_ros.tools.bench.runs import loop_runs
from dp_ros.tools.common.timing import medians
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measurement.

    :param milliseconds: median of one run.
    :param ratio: time of ``reference`` over this time.
    """

    name: str
    milliseconds: float
    ratio: float
    reference: str


@dataclass(frozen=True)
class ChunkFigure(Figure):
    """The measurement of a chunk by one engine.

    :param read: shortest time to read the weights [ms]; ``compute``: to compute.
    :param ready: time to make the engine, once [s]; ``memory``: its peak memory [MB].
    """

    read: float
    compute: float
    ready: float
    memory: float


def main() -> int:
    """Measure, print tables, and store the figures with `--json`."""
    args = _parse(sys.argv[1:])
    console = Console()
    figures: list[Figure] = []
    for case in args.cases:
        try:
            with console.status(f'measuring {case}'):
                measured = measure_case(case, args.rounds)
        except CheckpointError as error:
            console.print(f'bench: {error}', style='red', markup=False)
            return 1
        console.print(as_table(measured))
        figures += measured
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + '\n')
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros bench', description=__doc__)
    parser.add_argument(
        '--cases',
        nargs='+',
        default=['small', 'transformer', 'loop'],
        help=f'{", ".join(CASES)}, loop, or checkpoint folders (default: %(default)s)',
    )
    parser.add_argument(
        '--rounds', type=int, default=20, help='number of runs of each case (default: %(default)s)'
    )
    parser.add_argument('--json', type=Path, help='file for the results')
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error(f'--rounds {args.rounds}: needs at least 1')
    return args


def measure_case(case: str, rounds: int) -> Sequence[Figure]:
    """Measure one case of the command line."""
    return measure_loop(rounds) if case == 'loop' else measure_chunks(case, rounds)


def measure_chunks(case: str, rounds: int) -> list[ChunkFigure]:
    """Compare the engines with each other, and with the limits of the machine."""
    network = make_network(case)
    costs = {engine: cost(case, engine) for engine in engines()}
    times = medians(chunk_runs(network), rounds)
    least = {n_threads: floors(network, n_threads) for _, n_threads in times}
    figures = []
    for (engine, n_threads), milliseconds in times.items():
        threads = f'{n_threads} thread{"s" if n_threads > 1 else ""}'
        figures.append(
            ChunkFigure(
                f'{case}, {engine}, {threads}',
                milliseconds,
                times['torch', n_threads] / milliseconds,
                f'{case}, torch, {threads}',
                *least[n_threads],
                costs[engine].ready,
                costs[engine].memory,
            )
        )
    return figures


def measure_loop(rounds: int) -> list[Figure]:
    """Compare the rest of the loop with the time that it has, dt."""
    config = PolicyConfig(TASK)
    with loop_runs(config) as runs:
        times = medians(runs, rounds)
    dt = config.dt
    return [Figure(name, t, 1e3 * dt / t, f'dt, {dt:g} s') for name, t in times.items()]


def as_table(figures: Sequence[Figure]) -> Table:
    """Return the figures of one case as a table."""
    table = Table(caption=f'a chunk is {STEPS} steps of DDIM')
    rows = [_cells(figure) for figure in figures]
    for heading in rows[0]:
        table.add_column(heading, justify='left' if heading in ('', 'than') else 'right')
    for row in rows:
        table.add_row(*row.values())
    return table


def _cells(figure: Figure) -> dict[str, str]:
    ratio = f'{figure.ratio:.2f}' if figure.ratio < 100 else f'{figure.ratio:.0f}'
    cells = {
        '': figure.name,
        'median': f'{figure.milliseconds:.3g} ms',
        'times faster': ratio,
        'than': figure.reference,
    }
    if not isinstance(figure, ChunkFigure):
        return cells
    return cells | {
        'to read': f'{figure.read:.3g} ms',
        'to compute': f'{figure.compute:.3g} ms',
        'ready after': f'{figure.ready:.2g} s',
        'memory': f'{figure.memory:.0f} MB',
    }


if __name__ == '__main__':
    sys.exit(main())
