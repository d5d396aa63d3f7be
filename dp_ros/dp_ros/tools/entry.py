# SPDX-License-Identifier: Apache-2.0
"""Entry point of `ros2 run dp_ros TOOL`; an interrupt or SIGTERM ends it quietly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
import os
from pathlib import Path
import signal
import sys
from typing import Any

_MODULES = {
    'bench': 'bench.main',
    'camera_latency': 'camera_latency.main',
    'compare': 'compare.main',
    'demo': 'demo.main',
    'evaluate_pusht': 'evaluate_pusht.main',
    'inspect': 'inspect_recordings.main',
    'latency': 'latency.main',
    'parameters': 'parameters.main',
    'record_expert': 'record_expert.main',
}  # Other modules have the name of their tool.
_AGAIN = 0.01
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Run the tool that the command is named after.

    :returns: its exit code; 130 after an interrupt and 143 after SIGTERM.
    """
    for number in _SIGNALS:
        # Nothing needs cleaning up yet; modules replace an exception in their import by another.
        signal.signal(number, lambda number, _: os._exit(128 + number))
    tool = import_module(module_of(Path(sys.argv[0]).stem))
    came: list[int] = []

    def end(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt  # so that child processes end and temporary folders are removed

    for number in (*_SIGNALS, signal.SIGALRM):
        signal.signal(number, end)
    sys.unraisablehook = partial(_unraisable, sys.unraisablehook)
    try:
        code: int = tool.main()
    except BaseException:
        if not came:
            raise
        code = 1  # Libraries may replace the interrupt by another exception.
    finally:
        for number in (*_SIGNALS, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    return 128 + came[0] if came and code else code


def module_of(tool: str) -> str:
    """Return the module whose ``main`` is the tool."""
    return f'dp_ros.tools.{_MODULES.get(tool, tool)}'


def _unraisable(show: Callable[[Any], None], unraisable: Any) -> None:
    """Interrupt again when an interrupt was lost in a callback of Python's."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        show(unraisable)
