# SPDX-License-Identifier: Apache-2.0
"""Parsers that say where the things are that the stand-in lacks."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

#: What a verb ends with: an exit code, a message for stderr (exit code 1), or success.
Result = int | str | None
#: Adds its arguments to a parser; does the work. The first line of its docstring is its help.
Verb = tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Result]]


class StandInParser(argparse.ArgumentParser):
    """A parser that names the real package when it meets what it does not know."""

    def __init__(self, *args: Any, real_package: str = 'ros2cli', **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)
        self.real_package = real_package

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and the message; for what is not known, name the real package."""
        if 'invalid choice' in message or 'unrecognized arguments' in message:
            message += (
                '\n(this is a stand-in with the commands used most; '
                f'ros-jazzy-{self.real_package} has them all)'
            )
        super().error(message)


def add_verbs(parser: argparse.ArgumentParser, verbs: Mapping[str, Verb]) -> None:
    """Give a command its verbs; without one it prints its help."""
    parser.set_defaults(run=lambda args: parser.print_help(), parser=parser)
    parser_class = partial(StandInParser, real_package=getattr(parser, 'real_package', 'ros2cli'))
    subparsers = parser.add_subparsers(title='Commands', metavar='verb', parser_class=parser_class)
    for name, (add_arguments, run) in verbs.items():
        summary = first_line(run.__doc__)
        verb = subparsers.add_parser(name, help=summary, description=summary)
        add_arguments(verb)
        verb.set_defaults(run=run, parser=verb)


def first_line(docstring: str | None) -> str:
    """Return what stands before the first line break."""
    return (docstring or '').split('\n', 1)[0]


def positive_float(text: str) -> float:
    """Parse a number above zero."""
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError('Value must be positive')
    return value


def unsigned_int(text: str) -> int:
    """Parse a whole number, zero or above."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError('value must be non-negative integer')
    return value


def positive_int(text: str) -> int:
    """Parse a whole number above zero."""
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError('value must be a positive integer')
    return value
