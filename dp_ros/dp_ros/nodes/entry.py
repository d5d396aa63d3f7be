# SPDX-License-Identifier: Apache-2.0
"""Entry point of `ros2 run dp_ros NODE`; an interrupt during its imports just ends it."""

from __future__ import annotations

from importlib import import_module
import os
from pathlib import Path
import signal
import sys


def main() -> int:
    """Run the node that the command is named after."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Nothing moves yet; extension modules replace an exception in their import by another.
        signal.signal(number, lambda *_: os._exit(0))
    # A plan solves systems of 100 unknowns; threads of BLAS for these spin while other processes
    # run, and sometimes cost 100 ms.
    os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
    code: int = import_module(module_of(Path(sys.argv[0]).stem)).main()
    return code


def module_of(node: str) -> str:
    """Return the name of the module whose ``main`` runs a node."""
    return f'dp_ros.nodes.{node}.node'
