# SPDX-License-Identifier: Apache-2.0
"""`ros2 pkg`: what the ament index knows."""

from argparse import ArgumentParser, Namespace

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
    get_packages_with_prefixes,
)

from ..packages import executable_paths
from ..parser import Result, add_verbs


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(
        parser,
        {
            'executables': (_executables_arguments, executables),
            'list': (lambda parser: None, list_packages),
            'prefix': (_prefix_arguments, prefix),
        },
    )


def _executables_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('package_name', nargs='?', help='The package name')
    parser.add_argument(
        '--full-path', action='store_true', help='Show full path of each executable'
    )


def executables(args: Namespace) -> Result:
    """Output a list of package specific executables."""
    names = [args.package_name] if args.package_name else sorted(get_packages_with_prefixes())
    for name in names:
        for path in executable_paths(name):
            print(path if args.full_path else f'{name} {path.name}')
    return None


def list_packages(args: Namespace) -> Result:
    """Output a list of available packages."""
    print(*sorted(get_packages_with_prefixes()), sep='\n')
    return None


def _prefix_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('package_name', help='The package name')
    parser.add_argument(
        '--share', action='store_true', help='Show share directory for the package'
    )


def prefix(args: Namespace) -> Result:
    """Output the prefix path of a package."""
    look_up = get_package_share_directory if args.share else get_package_prefix
    try:
        print(look_up(args.package_name))
    except (PackageNotFoundError, ValueError):
        return 'Package not found'
    return None
