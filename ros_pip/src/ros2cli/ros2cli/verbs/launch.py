# SPDX-License-Identifier: Apache-2.0
"""`ros2 launch`: run a launch file, or say what it takes."""

from argparse import ArgumentParser, Namespace
import os
from pathlib import Path
import sys
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
import launch
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import (
    AnyLaunchDescriptionSource,
    get_launch_description_from_any_launch_file,
)

from ..parser import Result


def add_to(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        '-n',
        '--noninteractive',
        action='store_true',
        default=not sys.stdin.isatty(),
        help='Run the launch system non-interactively, with no terminal associated',
    )
    parser.add_argument(
        '-d', '--debug', action='store_true', help='Put the launch system in debug mode'
    )
    parser.add_argument(
        '-s',
        '--show-args',
        '--show-arguments',
        action='store_true',
        help='Show arguments that may be given to the launch file.',
    )
    parser.add_argument(
        '-a',
        '--show-all-subprocesses-output',
        action='store_true',
        help="Show all launched subprocesses' output",
    )
    parser.add_argument('package_name', help='Package with the launch file, or a path to one')
    parser.add_argument('launch_file_name', nargs='?', help='Name of the launch file')
    parser.add_argument(
        'launch_arguments',
        nargs='*',
        help="Arguments to the launch file; '<name>:=<value>' (for duplicates, last one wins)",
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> Result:
    """Run a launch file."""
    words = list(args.launch_arguments)
    if os.path.isfile(args.package_name):
        path = args.package_name
        words = [args.launch_file_name, *words] if args.launch_file_name else words
    else:
        path = str(_file_of_package(args.package_name, args.launch_file_name))
    if args.show_args:
        _print_arguments(get_launch_description_from_any_launch_file(path))
        return None
    if args.show_all_subprocesses_output:
        os.environ['OVERRIDE_LAUNCH_PROCESS_OUTPUT'] = 'both'
    service = launch.LaunchService(
        argv=words, noninteractive=args.noninteractive, debug=args.debug
    )
    include = IncludeLaunchDescription(
        AnyLaunchDescriptionSource(path), launch_arguments=parse_launch_arguments(words).items()
    )
    service.include_launch_description(launch.LaunchDescription([include]))
    return service.run()


def _file_of_package(package: str, name: str | None) -> Path:
    try:
        share = Path(get_package_share_directory(package))
    except (PackageNotFoundError, ValueError) as error:
        raise RuntimeError(f"Package '{package}' not found: {error}") from None
    paths = [p for p in share.rglob('*') if p.name == name]
    if len(paths) == 1:
        return paths[0]
    found = 'found more than once' if paths else 'not found'
    listed = f': {list(map(str, paths))}' if paths else f" which is at '{share}'"
    raise RuntimeError(
        f"file '{name}' was {found} in the share directory of package '{package}'{listed}"
    )


def parse_launch_arguments(words: list[str]) -> dict[str, str]:
    """Parse `name:=value` words; the last one of a name wins.

    :raises RuntimeError: for a word of another form.
    """
    parsed = {}
    for word in words:
        name, assigned, value = word.partition(':=')
        if not (name and assigned and value):
            raise RuntimeError(
                f"malformed launch argument '{word}', expected format '<name>:=<value>'"
            )
        parsed[name] = value
    return parsed


def _print_arguments(description: launch.LaunchDescription) -> None:
    print("Arguments (pass arguments as '<name>:=<value>'):")
    arguments = description.get_launch_arguments()
    conditional = [a for a in arguments if a._conditionally_included]
    for argument in arguments:
        print(_argument_text(argument, '*' if argument in conditional else ''))
    if not arguments:
        print('\n  No arguments.')
    elif conditional:
        print('\n* argument(s) which are only used if specific conditions occur')


def _argument_text(argument: Any, mark: str) -> str:
    text = f"\n    '{argument.name}':{mark}\n        {argument.description}"
    if argument.default_value is not None:
        default = ' + '.join(token.describe() for token in argument.default_value)
        text += f'\n        (default: {default})'
    return text
