# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive their parent, and print into a log."""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
from functools import partial
from pathlib import Path
import signal
import subprocess
from typing import IO

_SET_PARENT_DEATH_SIGNAL = 1


def start(
    command: Sequence[str], log: IO[str], last_signal: signal.Signals = signal.SIGTERM
) -> subprocess.Popen[bytes]:
    """Start a command; a Ctrl-C in the terminal does not reach it.

    :param last_signal: signal that it gets when this process ends, in whatever way; `ros2 launch`
        ends its nodes only at an interrupt.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=partial(die_with_parent, last_signal),
    )


def interrupt(processes: Sequence[subprocess.Popen[bytes]], timeout: float) -> None:
    """Interrupt processes and wait for them; kill those that still run after ``timeout`` [s]."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def last_lines(log: Path, count: int) -> str:
    """Return the last lines of a log."""
    return '\n'.join(log.read_text().splitlines()[-count:])


def die_with_parent(last_signal: signal.Signals) -> None:
    """Let this process get a signal when the one that has started it ends, in whatever way."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, last_signal)
