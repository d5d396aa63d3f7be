# SPDX-License-Identifier: Apache-2.0
"""`ros2 node`: which nodes there are and what they offer."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
import sys

from rclpy import action
from rclpy.node import Node

from ..graph import (
    NamesAndTypes,
    add_node_arguments,
    cli_node,
    node_names,
    settle,
    visible,
    wait_for_node,
)
from ..parser import Result, add_verbs

#: Headings and where rclpy has what stands under them.
SECTIONS: tuple[tuple[str, Callable[[Node, str, str], NamesAndTypes]], ...] = (
    ('Subscribers', Node.get_subscriber_names_and_types_by_node),
    ('Publishers', Node.get_publisher_names_and_types_by_node),
    ('Service Servers', Node.get_service_names_and_types_by_node),
    ('Service Clients', Node.get_client_names_and_types_by_node),
    ('Action Servers', action.get_action_server_names_and_types_by_node),
    ('Action Clients', action.get_action_client_names_and_types_by_node),
)


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(parser, {'info': (_info_arguments, info), 'list': (_list_arguments, list_nodes)})


def _list_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-a', '--all', action='store_true', help='Display all nodes even hidden ones'
    )
    parser.add_argument(
        '-c',
        '--count-nodes',
        action='store_true',
        help='Only display the number of nodes discovered',
    )


def list_nodes(args: Namespace) -> Result:
    """Output a list of available nodes."""
    with cli_node(args) as node:
        settle(node, args.spin_time)
        names = sorted(n.full_name for n in node_names(node, args.all))
    if args.count_nodes:
        print(len(names))
        return None
    if len(set(names)) < len(names):
        print(
            'WARNING: Be aware that there are nodes in the graph that share an exact name, '
            'which can have unintended side effects.',
            file=sys.stderr,
        )
    if names:
        print(*names, sep='\n')
    return None


def _info_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('node_name', help='Node name to request information')
    parser.add_argument(
        '--include-hidden',
        action='store_true',
        help='Display hidden topics, services, and actions as well',
    )


def info(args: Namespace) -> Result:
    """Output information about a node."""
    with cli_node(args) as node:
        if not wait_for_node(node, args.node_name, args.include_hidden, args.spin_time):
            return f"Unable to find node '{args.node_name}'"
        settle(node, args.spin_time)
        found = [n for n in node_names(node, args.include_hidden) if n.full_name == args.node_name]
        if len(found) > 1:
            print(
                f'There are {len(found)} nodes in the graph with the exact name '
                f'"{args.node_name}". You are seeing information about only one of them.',
                file=sys.stderr,
            )
        print(args.node_name)
        for heading, look_up in SECTIONS:
            print(f'  {heading}:')
            entries = visible(
                look_up(node, found[0].name, found[0].namespace), args.include_hidden
            )
            print(*(f'    {name}: {", ".join(types)}' for name, types in entries), sep='\n')
    return None
