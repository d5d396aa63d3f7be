# SPDX-License-Identifier: Apache-2.0
"""The node `teleop_keyboard`: publishes the keys of its terminal as a gamepad on `joy`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import select
import sys
import termios
import tty
from typing import Any

from dp_ros.control.teleop.keys import HELP, Keys
from dp_ros.ros.diagnostics import OK, Diagnostics, Report
from dp_ros.ros.node_main import run_node
from dp_ros.ros.qos import EVERY, LATCHED
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import String

_PERIOD = 0.04
_BELL = '\a'


class TeleopKeyboardNode(Node):
    """Reads a terminal, and shows the lines of `teleop` there.

    :param terminal: file descriptor of the terminal.
    """

    def __init__(self, terminal: int = 0, **kwargs: Any) -> None:
        super().__init__('teleop_keyboard', **kwargs)
        self._terminal = terminal
        self._keys = Keys()
        self._joy = self.create_publisher(Joy, 'joy', EVERY)
        self.create_subscription(String, 'teleop/status', self._on_status, LATCHED)
        # By the steady clock: keys must not stay down when another clock goes back.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_PERIOD, self._tick, clock=self._steady)
        self._diagnostics = Diagnostics(self, self._report)
        self._show(HELP)

    def _tick(self) -> None:
        now_ns = self._steady.now().nanoseconds
        share = self._keys.share
        while select.select([self._terminal], [], [], 0)[0]:
            self._keys.type(self._read(), now_ns)
        if self._keys.share != share:
            self._show(f'speed {self._keys.share:.0%}\n')
        axes, buttons = self._keys.joy(now_ns)
        message = Joy(axes=axes, buttons=buttons)
        message.header.stamp = self.get_clock().now().to_msg()
        self._joy.publish(message)

    def _read(self) -> str:
        try:
            typed = os.read(self._terminal, 64)
        except OSError:
            typed = b''
        if not typed:
            raise KeyboardInterrupt('the terminal is gone')
        return typed.decode(errors='ignore')

    def _on_status(self, message: String) -> None:
        self._show(f'{_BELL}{message.data}\n')

    def _report(self) -> Report:
        return OK, 'reading keys', {'speed': self._keys.share}

    def _show(self, text: str) -> None:
        encoding = sys.stdout.encoding or 'utf-8'
        sys.stdout.write(text.encode(encoding, 'replace').decode(encoding))
        sys.stdout.flush()


@contextmanager
def keys_at_once(terminal: int) -> Iterator[None]:
    """Let a terminal deliver each key at once, without echo, while a `with` block runs."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def main() -> int:
    """Run the node."""
    if not sys.stdin.isatty():
        sys.stderr.write('teleop_keyboard: no terminal: start it in one, not by a launch file\n')
        return 2
    with keys_at_once(sys.stdin.fileno()):
        return run_node(TeleopKeyboardNode)
