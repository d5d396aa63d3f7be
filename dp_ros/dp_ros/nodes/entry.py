# SPDX-License-Identifier: Apache-2.0
"""What `ros2 run dp_ros NODE` starts; an interrupt while a node's modules load just ends it."""

from __future__ import annotations

from importlib import import_module
import os
from pathlib import Path
import signal
import sys


def main() -> int:
    """Run the node that the command is named after."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Nothing moves yet, and extension modules turn an exception in their import into another.
        signal.signal(number, lambda *_: os._exit(0))
    # A plan solves systems of 100 unknowns; threads for these spin where other processes run, and
    # cost 100 ms at times.
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
    code: int = import_module(module_of(Path(sys.argv[0]).stem)).main()
    return code


def module_of(node: str) -> str:
    """Return the module whose ``main`` runs the node."""
    return f'dp_ros.nodes.{node}.node'
