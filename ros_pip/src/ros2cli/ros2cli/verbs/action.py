# SPDX-License-Identifier: Apache-2.0
"""`ros2 action`: which actions there are, and goals."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
import sys
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient, get_action_names_and_types
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from ..graph import (
    NODE_NAME_PREFIX,
    add_node_arguments,
    cli_node,
    result_of,
    settle,
    wait_until,
)
from ..interfaces import get_interface
from ..message_fields import parse_values, set_message_fields
from ..message_text import message_to_yaml
from ..parser import Result, add_verbs

STATUS_NAMES = {
    getattr(GoalStatus, f'STATUS_{name}'): name
    for name in ('ACCEPTED', 'EXECUTING', 'CANCELING', 'SUCCEEDED', 'CANCELED', 'ABORTED')
}


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(
        parser,
        {'list': (_list_arguments, list_actions), 'send_goal': (_goal_arguments, send_goal)},
    )


def _list_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-t', '--show-types', action='store_true', help='Additionally show the action type'
    )
    parser.add_argument(
        '-c',
        '--count-actions',
        action='store_true',
        help='Only display the number of actions discovered',
    )


def list_actions(args: Namespace) -> Result:
    """Output a list of action names."""
    with cli_node(args) as node:
        settle(node, args.spin_time)
        found = get_action_names_and_types(node)
    if args.count_actions:
        print(len(found))
        return None
    for name, types in found:
        print(f'{name} [{", ".join(types)}]' if args.show_types else name)
    return None


def _goal_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('action_name', help="Name of the ROS action (e.g. '/fibonacci')")
    parser.add_argument('action_type', help="Type of the ROS action (e.g. 'pkg/action/Name')")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        'goal', nargs='?', default='{}', help="Goal request values in YAML (e.g. '{order: 10}')"
    )
    group.add_argument('--stdin', action='store_true', help='Read goal from standard input')
    parser.add_argument(
        '-f', '--feedback', action='store_true', help='Echo feedback messages for the goal'
    )


def send_goal(args: Namespace) -> Result:
    """Send an action goal."""
    cls = get_interface(args.action_type, 'action')
    goal = cls.Goal()
    try:
        set_message_fields(goal, parse_values(sys.stdin.read() if args.stdin else args.goal))
    except (AttributeError, TypeError, ValueError, AssertionError) as error:
        return f'Failed to populate message fields: {error!r}'
    name = f'{NODE_NAME_PREFIX}_send_goal_{args.action_type.replace("/", "_")}'
    # Without rclpy's own handlers the context outlives a Ctrl-C, and the goal can be canceled.
    with cli_node(args, name, SignalHandlerOptions.NO) as node:
        client = ActionClient(node, cls, args.action_name)
        print('Waiting for an action server to become available...')
        wait_until(node, client.server_is_ready, float('inf'))
        print(f'Sending goal:\n     {message_to_yaml(goal)}')
        _follow(node, client, goal, _print_feedback if args.feedback else None)
        client.destroy()
    return None


def _print_feedback(message: Any) -> None:
    print(f'Feedback:\n    {message_to_yaml(message.feedback)}')


def _follow(
    node: Node, client: ActionClient, goal: Any, on_feedback: Callable[[Any], None] | None
) -> None:
    """Send a goal and print how it ends; an interrupt cancels it.

    :raises RuntimeError: where it cannot be canceled.
    """
    sent = client.send_goal_async(goal, on_feedback)
    try:
        handle = result_of(node, sent)
        if not handle.accepted:
            print('Goal was rejected.')
            return
        print(f'Goal accepted with ID: {bytes(handle.goal_id.uuid).hex()}\n')
        result = result_of(node, handle.get_result_async())
    except KeyboardInterrupt:
        _cancel(node, sent)
        raise
    print(f'Result:\n    {message_to_yaml(result.result)}')
    print(f'Goal finished with status: {STATUS_NAMES.get(result.status, "UNKNOWN")}')


def _cancel(node: Node, sent: Future) -> None:
    """Cancel a goal that was sent, once it is known whether it was accepted."""
    print('Canceling goal...')
    handle = result_of(node, sent)
    if not handle.accepted or not result_of(node, handle.cancel_goal_async()).goals_canceling:
        raise RuntimeError('Failed to cancel goal')
    print('Goal canceled.')
