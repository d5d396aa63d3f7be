# SPDX-License-Identifier: Apache-2.0
"""The common `main` of all nodes: init, spin, and an end without a traceback."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import signal
import sys
from typing import Any

from dp_ros.ros.clock_reader import ClockReader
from dp_ros.ros.domain import keep_to_this_machine, who_finds_this
from dp_ros.ros.guard import GuardedExecutor
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WAIT = 0.2


def run_node(make_node: Callable[[], Node]) -> int:
    """Spin the node until Ctrl-C, SIGTERM or a shutdown; return the exit code.

    A callback that fails is logged and counted, and does not end the node: see `guard`.

    A node that commands hardware sends its last safe command in ``destroy_node``. rclpy's own
    signal handlers would have closed its publishers by then, so the signals are handled here.
    """
    interrupts = []

    def interrupt(number: int, frame: Any) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    sys.unraisablehook = partial(_unraisable, sys.unraisablehook)
    node = reader = executor = None
    try:
        keep_to_this_machine()
        rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
        rclpy.logging.get_logger('dp_ros').info(who_finds_this())
        node = make_node()
        reader = ClockReader(node)
        executor = GuardedExecutor(ended=lambda: bool(interrupts))
        executor.add_node(node)
        while not interrupts:  # An exception from the handler may be swallowed on its way here.
            executor.spin_once(timeout_sec=_WAIT)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception as error:
        if interrupts:  # pybind11 replaces an interrupt in a conversion by an error of its own.
            return 0
        if node is not None or not isinstance(error, (ValueError, ParameterException)):
            raise
        rclpy.logging.get_logger('dp_ros').fatal(str(error))
        return 2
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if reader is not None:
            reader.close()
        if node is not None:
            node.destroy_node()
        if executor is not None:  # Else garbage collection may end its parts in the wrong order.
            executor.shutdown()
        rclpy.try_shutdown()
    return 0


def _unraisable(show: Callable[[Any], None], unraisable: Any) -> None:
    """Say nothing of an interrupt in the end of an object: it is noted, and the node ends."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        show(unraisable)
