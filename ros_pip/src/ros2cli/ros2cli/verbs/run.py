# SPDX-License-Identifier: Apache-2.0
"""`ros2 run`: become a package's executable."""

from argparse import REMAINDER, ArgumentParser, Namespace
import os
import shlex

from ..packages import executable_paths
from ..parser import Result


def add_to(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        '--prefix',
        help='Prefix command, which should go before the executable; in quotes if it has spaces',
    )
    parser.add_argument('package_name', help='Name of the ROS package')
    parser.add_argument('executable_name', help='Name of the executable')
    parser.add_argument('argv', nargs=REMAINDER, help='Pass arbitrary arguments to the executable')
    parser.set_defaults(run=run)


def run(args: Namespace) -> Result:
    """Replace this process, so that signals and the exit code are the executable's own."""
    paths = [p for p in executable_paths(args.package_name) if p.name == args.executable_name]
    if not paths:
        return 'No executable found'
    if len(paths) > 1:
        return '\n- '.join(['Multiple executables found:', *map(str, paths)])
    command = [*shlex.split(args.prefix or ''), str(paths[0]), *args.argv]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        return f'{command[0]}: {error.strerror}'
