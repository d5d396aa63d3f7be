# SPDX-License-Identifier: Apache-2.0
"""Work in several processes at once, each in a ROS domain of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
import multiprocessing
from multiprocessing.queues import Queue
import os
import signal
from typing import Final, TypeVar

from dp_ros.tools.common.child_process import die_with_parent

Item = TypeVar('Item')
Result = TypeVar('Result')

_DOMAIN: Final = 'ROS_DOMAIN_ID'
_DOMAINS: Final = 102
"""Number of domains that every Linux machine has ports for."""


def in_domains(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, as they come.

    The domains are those from this process's on. When one item fails, or this process ends, all
    other work ends too.

    :param work: function of a module, whose items and results can be pickled.
    :param jobs: number of processes.
    """
    context = multiprocessing.get_context('spawn')  # A fork would share the middleware's threads.
    domains: Queue[int] = context.Queue()
    for domain in domains_from(int(os.environ.get(_DOMAIN) or 0), jobs):
        domains.put(domain)
    with ProcessPoolExecutor(jobs, context, _enter_domain, (domains,)) as pool:
        try:
            running = {pool.submit(work, item): item for item in items}
            for future in as_completed(running):
                yield running[future], future.result()
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def domains_from(first: int, count: int) -> list[int]:
    """Return ``count`` different domains, the first one included."""
    return [(first + index) % _DOMAINS for index in range(count)]


def _enter_domain(domains: Queue[int]) -> None:
    die_with_parent(signal.SIGTERM)
    os.environ[_DOMAIN] = str(domains.get())
