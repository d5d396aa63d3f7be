# SPDX-License-Identifier: Apache-2.0
"""`ros2 lifecycle`: states and transitions of managed nodes."""

from argparse import ArgumentParser, Namespace
import sys
from typing import Any

from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
from rclpy.node import Node

from ..graph import (
    NodeName,
    absolute_name,
    add_node_arguments,
    call,
    cli_node,
    node_names,
    settle,
    visible,
    wait_until,
)
from ..parser import Result, add_verbs

GET_STATE_TYPE = 'lifecycle_msgs/srv/GetState'


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(
        parser,
        {
            'get': (_get_arguments, get),
            'list': (_list_arguments, list_transitions),
            'nodes': (_nodes_arguments, nodes),
            'set': (_set_arguments, set_state),
        },
    )


def lifecycle_nodes(node: Node, include_hidden: bool) -> list[NodeName]:
    """List the nodes that have a lifecycle."""
    services = dict(visible(node.get_service_names_and_types(), include_hidden))
    return [
        n
        for n in node_names(node, include_hidden)
        if GET_STATE_TYPE in services.get(f'{n.full_name}/get_state', [])
    ]


def _common_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '--include-hidden-nodes', action='store_true', help='Consider hidden nodes as well'
    )


def _found(node: Node, args: Namespace) -> str:
    """Return the full name of the node that the arguments name.

    :raises RuntimeError: for a node that is not there or has no lifecycle.
    """
    name = absolute_name(args.node_name)

    def there() -> bool:
        return any(n.full_name == name for n in lifecycle_nodes(node, args.include_hidden_nodes))

    if not wait_until(node, there, args.spin_time):
        raise RuntimeError('Node not found')
    return name


def _state(node: Node, name: str) -> str:
    state = call(node, GetState, f'{name}/get_state', GetState.Request()).current_state
    return f'{state.label} [{state.id}]'


def _get_arguments(parser: ArgumentParser) -> None:
    _common_arguments(parser)
    parser.add_argument(
        'node_name', nargs='?', help='Name of the ROS node; without it, the state of all nodes'
    )


def get(args: Namespace) -> Result:
    """Get lifecycle state for one or more nodes."""
    with cli_node(args) as node:
        if args.node_name:
            print(_state(node, _found(node, args)))
            return None
        settle(node, args.spin_time)
        for found in sorted(lifecycle_nodes(node, args.include_hidden_nodes)):
            print(f'{found.full_name}: {_state(node, found.full_name)}')
    return None


def _set_arguments(parser: ArgumentParser) -> None:
    _common_arguments(parser)
    parser.add_argument('node_name', help='Name of the ROS node')
    parser.add_argument('transition', help='The lifecycle transition')


def set_state(args: Namespace) -> Result:
    """Trigger lifecycle state transition."""
    with cli_node(args) as node:
        name = _found(node, args)
        known = [d.transition for d in _transitions(node, f'{name}/get_available_transitions')]
        wanted = [t for t in known if args.transition in (t.label, str(t.id))]
        if not wanted:
            listed = ''.join(f'\n- {t.label} [{t.id}]' for t in known)
            return f'Unknown transition requested, available ones are:{listed}'
        request = ChangeState.Request(transition=wanted[0])
        if call(node, ChangeState, f'{name}/change_state', request).success:
            print('Transitioning successful')
        else:
            print('Transitioning failed', file=sys.stderr)
    return None


def _transitions(node: Node, service: str) -> list[Any]:
    request = GetAvailableTransitions.Request()
    return call(node, GetAvailableTransitions, service, request).available_transitions


def _list_arguments(parser: ArgumentParser) -> None:
    _common_arguments(parser)
    parser.add_argument('node_name', help='Name of the ROS node')
    parser.add_argument(
        '-a', '--all', action='store_true', help='Display all existing transitions'
    )


def list_transitions(args: Namespace) -> Result:
    """Output a list of available transitions."""
    service = 'get_transition_graph' if args.all else 'get_available_transitions'
    with cli_node(args) as node:
        for t in _transitions(node, f'{_found(node, args)}/{service}'):
            print(f'- {t.transition.label} [{t.transition.id}]')
            print(f'\tStart: {t.start_state.label}')
            print(f'\tGoal: {t.goal_state.label}')
    return None


def _nodes_arguments(parser: ArgumentParser) -> None:
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


def nodes(args: Namespace) -> Result:
    """Output a list of nodes with lifecycle."""
    with cli_node(args) as node:
        settle(node, args.spin_time)
        names = sorted({n.full_name for n in lifecycle_nodes(node, args.all)})
    if args.count_nodes:
        print(len(names))
    elif names:
        print(*names, sep='\n')
    return None
