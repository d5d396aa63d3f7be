# SPDX-License-Identifier: Apache-2.0
"""The simulation of `sim.launch.py` as a child process that never outlives its parent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import re
import signal
from types import TracebackType

from dp_ros.tools.common.child_process import interrupt, last_lines, start
import psutil

_MAX_ERRORS = 5
# A view that has ended, for example because its port is taken, stops nothing.
_ENDED = re.compile(r'\[(?!view-)(\w+)-\d+\]: process has (?:died|finished cleanly).*')
_VIEW = re.compile(r'the view is at (\S+)')
NODES = ('observation_aggregator', 'policy', 'executor')


class LaunchedSimulation:
    """Runs `ros2 launch dp_ros_bringup sim.launch.py` while a `with` block runs.

    :param arguments: launch arguments, each `name:=value`; the view is off unless they name it.
    :param log: file for the output of the launch.
    """

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._command = ['ros2', 'launch', 'dp_ros_bringup', 'sim.launch.py']
        self._command += ['view:=false', *arguments]
        self._log_path = log

    def __enter__(self) -> LaunchedSimulation:
        self._log = self._log_path.open('w')
        self._process = start(self._command, self._log, signal.SIGINT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupt([self._process], timeout=15.0)
        self._log.close()

    def failure(self) -> str | None:
        """Return which process has ended, with the last lines of the log, or None."""
        status = self._process.poll()
        ended = _ENDED.search(self._log_path.read_text())
        if status is None and ended is None:
            return None
        what = f'the node {ended[1]}' if ended else f'the simulation, with exit code {status},'
        return f'{what} has ended:\n{last_lines(self._log_path, 15)}'

    def view(self) -> str | None:
        """Return the link of the view, if it is served."""
        found = _VIEW.search(self._log_path.read_text())
        return None if found is None else found[1]

    def errors(self) -> list[str]:
        """Return the last errors in the nodes' log."""
        lines = self._log_path.read_text().splitlines()
        return [line for line in lines if '[ERROR]' in line or '[FATAL]' in line][-_MAX_ERRORS:]

    def peak_rss_mb(self) -> dict[str, float]:
        """Peak resident memory of each of the three nodes so far [MB]."""
        peaks = {}
        for child in psutil.Process(self._process.pid).children(recursive=True):
            name = next((node for node in NODES if _runs(child, node)), None)
            if name is not None:
                peaks[name] = round(_peak_kib(child.pid) * 1024 / 1e6, 1)
        return peaks


def _runs(process: psutil.Process, node: str) -> bool:
    try:
        return any(part.endswith(f'/dp_ros/{node}') for part in process.cmdline())
    except psutil.Error:
        return False


def _peak_kib(pid: int) -> int:
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return int(line.split()[1])
    raise ValueError(f'/proc/{pid}/status has no VmHWM line')
