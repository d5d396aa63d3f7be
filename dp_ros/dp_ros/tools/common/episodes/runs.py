# SPDX-License-Identifier: Apache-2.0
"""Episodes in a simulation that is launched for them, with a progress bar and a line for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

from dp_ros.sim.clock import slowness
from dp_ros.tools.common.episodes.launched_simulation import LaunchedSimulation
from dp_ros.tools.common.episodes.rollout import (
    EpisodeFault,
    Rollout,
    RolloutClient,
    RolloutError,
    start_client,
)
from dp_ros.tools.common.episodes.summary import Fault, summarize
from dp_ros.tools.common.progress import make_progress
from rich.console import Console

_TRIES: Final = 3


@contextlib.contextmanager
def running_simulation(
    arguments: Sequence[str], log: Path, console: Console, **client_options: bool
) -> Iterator[tuple[LaunchedSimulation, RolloutClient]]:
    """Launch the simulation and wait until episodes can be run.

    :raises RolloutError: when it does not start, with the end of its log, or when an episode
        cannot be run, with the errors of the nodes.
    """
    client = start_client(**client_options)
    try:
        with LaunchedSimulation(arguments, log) as simulation:
            try:
                client.wait_until_ready(simulation.failure, partial(console.print, markup=False))
                yield simulation, client
            except RolloutError as error:
                raise RolloutError('\n'.join([str(error), *simulation.errors()])) from error
    finally:
        client.destroy_node()


def run_episodes(
    client: RolloutClient,
    seeds: Sequence[int],
    console: Console,
    title: str,
    timeout: float = 15.0,
    move_goal: float = 0.0,
    rerolls: int = 1,
) -> Iterator[Rollout | Fault]:
    """Run one episode per seed and reroll with a progress bar, and print a line for each.

    An episode that a fault of the system ended is run again; the fault is yielded too.

    :raises RolloutError: when faults end several episodes in a row.
    """
    with make_progress(console, live=True) as progress:
        task = progress.add_task(title, total=len(seeds) * rerolls, live='')

        def show(status: Any) -> None:
            latency = client.latest_latency_ms
            text = f'{status.side or "…":>10}  {status.distance * 1e3:4.0f} mm'
            parts = (
                text,
                f'{latency:3.0f} ms' if latency else '',
                slowness(status.real_time_factor),
            )
            progress.update(task, live='  '.join(part for part in parts if part))

        lost = 0
        for seed, reroll in product(seeds, range(rerolls)):
            once = partial(client.run, seed, timeout, move_goal, show, reroll)
            for run in _tries(once, seed, reroll):
                progress.console.print(episode_line(run), markup=False, highlight=False)
                yield run
            progress.advance(task)
            lost = lost + 1 if isinstance(run, Fault) else 0
            if lost == _TRIES:
                raise RolloutError(f'{lost} episodes in a row could not be completed')


def _tries(run: Callable[[], Rollout], seed: int, reroll: int) -> Iterator[Rollout | Fault]:
    """Run an episode; run it again when a fault of the system ended it."""
    for _ in range(_TRIES):
        try:
            rollout = run()
        except EpisodeFault as fault:
            yield Fault(seed, str(fault), reroll)
        else:
            yield rollout
            return


def episode_line(run: Rollout | Fault) -> str:
    """Return how an episode, or a try at one, ended, as a line."""
    if isinstance(run, Fault):
        return f'seed {run.seed:4d}  FAULT      {run.reason}'
    result, timing = run.result, run.timing
    outcome = 'reached' if result.success else 'COLLISION' if result.collision else 'missed'
    latency = max(timing.latencies_ms, default=float('nan'))
    return (
        f'seed {result.seed:4d}  {outcome:9}  {result.side or "-":10}  '
        f'{result.final_distance_m * 1e3:4.0f} mm  {result.duration_s:5.1f} s  '
        f'{timing.chunks:3d} chunks, slowest {latency:.0f} ms'
        + (f'; {result.miss}' if result.miss else '')
        + (f'; {slow}' if (slow := slowness(timing.real_time_factor)) else '')
    )


def figures_of(
    runs: Sequence[Rollout | Fault], peak_rss_mb: Mapping[str, float]
) -> dict[str, Any]:
    """Return the figures of the episodes of `run_episodes`."""
    rollouts = [run for run in runs if isinstance(run, Rollout)]
    faults = [run for run in runs if isinstance(run, Fault)]
    return summarize(
        [r.result for r in rollouts], [r.timing for r in rollouts], peak_rss_mb, faults
    )
