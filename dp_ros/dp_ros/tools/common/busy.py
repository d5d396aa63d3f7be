# SPDX-License-Identifier: Apache-2.0
"""Busy processes beside a measurement, which end with it in whatever way it ends."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
import signal
import sys

from dp_ros.tools.common.child_process import start

_SPIN = 'while True: pass'


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[list[int]]:
    """Keep ``count`` cores busy, or as many as there are; yield the ids of the processes."""
    processes = []
    try:
        with open(os.devnull, 'w') as nowhere:
            for _ in range(count):
                command = [sys.executable, '-c', _SPIN]
                processes.append(start(command, nowhere, signal.SIGKILL))
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
