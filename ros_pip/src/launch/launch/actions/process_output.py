# SPDX-License-Identifier: Apache-2.0
"""The output of a process, line by line with the process' name in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..logging import get_output_loggers


class ProcessOutput:
    """Logs whole lines; a line that is not ended is kept until it is, or until ``flush``."""

    def __init__(self, name: str, output: str | Mapping[str, Any]) -> None:
        self._name = name
        self._loggers = get_output_loggers(name, output)
        self._rests = [b'', b'']

    def on_stdout(self, data: bytes) -> None:
        """Take what the process wrote to stdout."""
        self._take(0, data)

    def on_stderr(self, data: bytes) -> None:
        """Take what the process wrote to stderr."""
        self._take(1, data)

    def flush(self) -> None:
        """Log what is left."""
        for index, rest in enumerate(self._rests):
            if rest:
                self._take(index, b'\n')

    def _take(self, index: int, data: bytes) -> None:
        *lines, self._rests[index] = (self._rests[index] + data).split(b'\n')
        for line in lines:
            self._loggers[index].info(f'[{self._name}] {line.decode(errors="replace")}')
