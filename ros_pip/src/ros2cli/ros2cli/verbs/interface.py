# SPDX-License-Identifier: Apache-2.0
"""`ros2 interface`: the definitions of messages, services and actions."""

from argparse import ArgumentParser, Namespace
import re
import sys

from ..interfaces import definition_path
from ..parser import Result, add_verbs

#: The type of a field that is itself a message, of this package or another.
_NESTED = re.compile(r'\s*((?:\w+/)?[A-Z]\w*)(?:\[[^]]*\])?\s+[a-z]\w*')


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(parser, {'show': (_show_arguments, show)})


def _show_arguments(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        '--all-comments',
        action='store_true',
        help='Show all comments, including for nested interface definitions',
    )
    group.add_argument('--no-comments', action='store_true', help='Show no comments or whitespace')
    parser.add_argument(
        'type',
        help="Show an interface definition (e.g. 'std_msgs/msg/String'); '-' reads it from stdin",
    )


def show(args: Namespace) -> Result:
    """Output the interface definition."""
    name = sys.stdin.readline().strip() if args.type == '-' else args.type
    try:
        _show(name, '', not args.no_comments, args.all_comments)
    except LookupError as error:
        return str(error.args[0])
    return None


def _show(name: str, indent: str, comments: bool, nested_comments: bool) -> None:
    package = name.split('/')[0]
    for line in definition_path(name).read_text().splitlines():
        text = line.rstrip() if comments else re.sub(r'\s*#.*', '', line).rstrip()
        if text or comments:
            print(indent + text if text else '')
        nested = _NESTED.match(line)
        if nested:
            inner = nested[1] if '/' in nested[1] else f'{package}/{nested[1]}'
            inner = inner.replace('/', '/msg/')
            _show(inner, indent + '\t', nested_comments, nested_comments)
