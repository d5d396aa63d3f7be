# SPDX-License-Identifier: Apache-2.0
"""Entry point of `ros2`: load the module of one command, turn its result into an exit code."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
import os
import signal
import sys
from types import FrameType
from typing import Any

from .parser import Result, StandInParser

#: Command: the real package that has it, what it does.
COMMANDS = {
    'action': ('ros2action', 'Various action related sub-commands'),
    'bag': ('ros2bag', 'Various rosbag related sub-commands'),
    'interface': ('ros2interface', 'Show information about ROS interfaces'),
    'launch': ('ros2launch', 'Run a launch file'),
    'lifecycle': ('ros2lifecycle', 'Various lifecycle related sub-commands'),
    'node': ('ros2node', 'Various node related sub-commands'),
    'param': ('ros2param', 'Various param related sub-commands'),
    'pkg': ('ros2pkg', 'Various package related sub-commands'),
    'run': ('ros2run', 'Run a package specific executable'),
    'service': ('ros2service', 'Various service related sub-commands'),
    'topic': ('ros2topic', 'Various topic related sub-commands'),
}
_AGAIN = 0.01


def main(argv: list[str] | None = None) -> Result:
    """Run `ros2` and return what sys.exit() is to be given."""
    interrupts: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGALRM, interrupt)
        sys.unraisablehook = partial(_unraisable, sys.unraisablehook)
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return int(signal.SIGINT)
    except BrokenPipeError:
        # The reader of a pipe (`| head`) is gone; nor may the interpreter flush into it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(signal.SIGPIPE)
    except RuntimeError as error:
        # pybind11 turns an interrupt that comes in a conversion into an error of its own.
        return int(signal.SIGINT) if interrupts else str(error)


def _unraisable(show: Callable[[Any], None], unraisable: Any) -> None:
    """Interrupt again when an interrupt was lost in the end of an object, as `Future.__del__`."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        show(unraisable)


def _run(argv: list[str]) -> Result:
    with _dying_by_interrupt():
        args, unknown = _parser(argv).parse_known_args(argv)
    if unknown:
        args.parser.error(f'unrecognized arguments: {" ".join(unknown)}')
    if not args.use_python_default_buffering:
        sys.stdout.reconfigure(line_buffering=True)
    return args.run(args)


@contextmanager
def _dying_by_interrupt() -> Iterator[None]:
    """Let Ctrl-C just end the process.

    While modules load there is nothing to clean up, and extension modules wrap the
    KeyboardInterrupt that comes out of their imports into other errors.
    """
    before = signal.getsignal(signal.SIGINT)
    if callable(before):  # Not where it is ignored, as in the background.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = StandInParser(
        prog='ros2', description='ros2 is an extensible command-line tool for ROS 2.'
    )
    parser.add_argument(
        '--use-python-default-buffering',
        action='store_true',
        help='Do not force line buffering in stdout',
    )
    parser.set_defaults(run=lambda args: parser.print_help(), parser=parser)
    commands = parser.add_subparsers(title='Commands', metavar='command')
    named = next((word for word in argv if not word.startswith('-')), None)
    for name, (real_package, summary) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary, real_package=real_package
        )
        command.set_defaults(parser=command)
        if name == named:
            import_module(f'ros2cli.verbs.{name}').add_to(command)
    return parser
