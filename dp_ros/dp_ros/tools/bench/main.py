# SPDX-License-Identifier: Apache-2.0
"""Measure the time and memory of a chunk with each engine, and the time of the rest of the loop.

`ros2 run dp_ros bench [--cases shipped small transformer paper loop models/reach] [--json FILE]`

Times are medians (p50) and 95th percentiles (p95); speed-ups are ratios of medians. Compared
engines take turns within one run, so that another busy process slows them all alike. The engine
`torch` is the reference: eager PyTorch that encodes the observation once and runs every step
through the network and diffusers' scheduler.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import sys
import time

from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.config import PolicyConfig
from dp_ros.tools.bench import cases
from dp_ros.tools.bench.cases import (
    CASES,
    STEPS,
    TASK,
    chunk_runs,
    cost,
    engines,
    make_network,
    shipped,
)
from dp_ros.tools.bench.machine import floors
from dp_ros.tools.bench.runs import loop_runs, planning_run
from dp_ros.tools.common.timing import spreads
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measurement.

    :param case: what was measured together; ``name``: the one of it.
    :param milliseconds: median of one run; ``p95``: its 95th percentile [ms].
    :param ratio: time of ``reference`` over this time.
    """

    case: str
    name: str
    milliseconds: float
    p95: float
    ratio: float
    reference: str


@dataclass(frozen=True)
class ChunkFigure(Figure):
    """The measurement of a chunk by one engine.

    :param read: shortest time to read the weights [ms]; ``compute``: to compute.
    :param ready: time to make engine and first chunk, once [s]; ``memory``: its peak memory [MB].
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
        default=['shipped', 'small', 'transformer', 'loop'],
        help=f'shipped, {", ".join(CASES)}, loop, or checkpoint folders (default: %(default)s)',
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
    if case == 'shipped':
        return measure_shipped(rounds)
    return measure_loop(rounds) if case == 'loop' else measure_chunks(case, rounds)


def measure_shipped(rounds: int) -> list[Figure]:
    """Compare the default engine with PyTorch, for every shipped policy."""
    figures = []
    for folder in shipped(Path('models')):
        times = spreads(chunk_runs(load_network(folder), ('auto', 'torch'), (1,)), rounds)
        found, eager = times['auto', 1], times['torch', 1].median
        figures.append(
            Figure(
                'shipped',
                folder.name,
                found.median,
                found.p95,
                eager / found.median,
                'torch; one thread',
            )
        )
    return figures


def measure_chunks(case: str, rounds: int) -> list[ChunkFigure]:
    """Compare the engines with each other, and with the limits of the machine."""
    network = make_network(case)
    costs = {engine: cost(case, engine) for engine in engines()}
    times = spreads(chunk_runs(network, engines(), cases.THREADS), rounds)
    least = {n_threads: floors(network, n_threads) for _, n_threads in times}
    figures = []
    for (engine, n_threads), found in times.items():
        threads = f'{n_threads} thread{"s" if n_threads > 1 else ""}'
        figures.append(
            ChunkFigure(
                case,
                f'{engine}, {threads}',
                found.median,
                found.p95,
                times['torch', n_threads].median / found.median,
                'torch with as many threads',
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
        times = spreads(runs, rounds)
    plans = {'planning of a chunk (CPU time)': planning_run(config)}
    times |= spreads(plans, 5 * rounds, time.thread_time)
    dt = config.dt
    return [
        Figure('loop', name, t.median, t.p95, 1e3 * dt / t.median, f'dt = {dt:g} s')
        for name, t in times.items()
    ]


def as_table(figures: Sequence[Figure]) -> Table:
    """Return the figures of one case as a table."""
    first = figures[0]
    caption = f'times as fast as {first.reference}; in ms; a chunk: {STEPS} steps of DDIM'
    table = Table(title=first.case, caption=caption, box=SIMPLE, padding=(0, 1, 0, 0))
    rows = [_cells(figure) for figure in figures]
    for heading in rows[0]:
        table.add_column(heading, justify='right' if heading else 'left', no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    return table


def _cells(figure: Figure) -> dict[str, str]:
    ratio = f'{figure.ratio:.2f}' if figure.ratio < 100 else f'{figure.ratio:.0f}'
    cells = {
        '': figure.name,
        'p50': f'{figure.milliseconds:.3g}',
        'p95': f'{figure.p95:.3g}',
        'times': ratio,
    }
    if not isinstance(figure, ChunkFigure):
        return cells
    return cells | {
        'read': f'{figure.read:.3g}',
        'compute': f'{figure.compute:.3g}',
        'ready s': f'{figure.ready:.2g}',
        'MB': f'{figure.memory:.0f}',
    }


if __name__ == '__main__':
    sys.exit(main())
