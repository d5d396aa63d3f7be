# SPDX-License-Identifier: Apache-2.0
"""`ros2 service`: which services there are, and calls."""

from argparse import ArgumentParser, Namespace
import sys
import time
from typing import Any

from rclpy.node import Node

from ..graph import (
    NODE_NAME_PREFIX,
    add_node_arguments,
    cli_node,
    result_of,
    settle,
    visible,
    wait_until,
)
from ..interfaces import get_interface
from ..message_fields import parse_values, set_message_fields
from ..parser import Result, add_verbs, positive_float


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(
        parser,
        {
            'call': (_call_arguments, call_service),
            'list': (_list_arguments, list_services),
            'type': (_type_arguments, service_type),
        },
    )


def _call_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('service_name', help="Name of the ROS service (e.g. '/add_two_ints')")
    parser.add_argument('service_type', help="Type of the ROS service (e.g. 'std_srvs/srv/Empty')")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        'values', nargs='?', default='{}', help="Values of the request in YAML (e.g. '{a: 1}')"
    )
    group.add_argument('--stdin', action='store_true', help='Read values from standard input')
    parser.add_argument(
        '-r',
        '--rate',
        metavar='N',
        type=positive_float,
        help='Repeat the call at a specific rate in Hz',
    )


def call_service(args: Namespace) -> Result:
    """Call a service."""
    cls = get_interface(args.service_type, 'srv')
    request = cls.Request()
    try:
        set_message_fields(request, parse_values(sys.stdin.read() if args.stdin else args.values))
    except (AttributeError, TypeError, ValueError, AssertionError) as error:
        return f'Failed to populate field: {error}'
    words = args.service_type.split('/')
    with cli_node(args, f'{NODE_NAME_PREFIX}_requester_{words[0]}_{words[-1]}') as node:
        client = node.create_client(cls, args.service_name)
        if not client.service_is_ready():
            print('waiting for service to become available...')
            wait_until(node, client.service_is_ready, float('inf'))
        _make_request(node, client, request)
        while args.rate:
            time.sleep(1.0 / args.rate)
            _make_request(node, client, request)
    return None


def _make_request(node: Node, client: Any, request: Any) -> None:
    print(f'requester: making request: {request!r}\n')
    print(f'response:\n{result_of(node, client.call_async(request))!r}\n')


def _list_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-t', '--show-types', action='store_true', help='Additionally show the service type'
    )
    parser.add_argument(
        '-c',
        '--count-services',
        action='store_true',
        help='Only display the number of services discovered',
    )
    parser.add_argument(
        '--include-hidden-services', action='store_true', help='Consider hidden services as well'
    )


def list_services(args: Namespace) -> Result:
    """Output a list of available services."""
    with cli_node(args) as node:
        settle(node, args.spin_time)
        found = visible(node.get_service_names_and_types(), args.include_hidden_services)
    if args.count_services:
        print(len(found))
        return None
    for name, types in found:
        print(f'{name} [{", ".join(types)}]' if args.show_types else name)
    return None


def _type_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('service_name', help='Name of the ROS service to get type')


def service_type(args: Namespace) -> Result:
    """Output a service's type."""
    with cli_node(args) as node:

        def types() -> list[str]:
            return dict(node.get_service_names_and_types()).get(args.service_name, [])

        if not wait_until(node, lambda: bool(types()), args.spin_time):
            return 1
        print(*types(), sep='\n')
    return None
