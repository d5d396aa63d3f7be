# SPDX-License-Identifier: Apache-2.0
"""Nodes of this package as child processes that never outlive their parent."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
import subprocess
import sys
from types import TracebackType
from typing import Any

from dp_ros.tools.common.child_process import interrupt, last_lines, start

_RUN = 'import sys; from dp_ros.nodes.{name}.node import main; sys.exit(main())'


class ChildNodes:
    """Runs nodes while a `with` block runs.

    :param nodes: parameters of each node, by the node's name.
    :param log: file for the output of the nodes.
    """

    def __init__(self, nodes: Mapping[str, Mapping[str, Any]], log: Path) -> None:
        self._nodes = nodes
        self._log_path = log
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> ChildNodes:
        self._log = self._log_path.open('w')
        for name, parameters in self._nodes.items():
            arguments = ['--ros-args']
            for key, value in parameters.items():
                arguments += ['-p', f'{key}:={json.dumps(value)}']
            command = [sys.executable, '-c', _RUN.format(name=name), *arguments]
            self._processes[name] = start(command, self._log)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        interrupt(list(self._processes.values()), timeout=10.0)
        self._log.close()

    def failure(self) -> str | None:
        """Return which node has ended, with the last lines of the log, or None."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                tail = last_lines(self._log_path, 10)
                return f'{name} ended with exit code {process.returncode}:\n{tail}'
        return None
