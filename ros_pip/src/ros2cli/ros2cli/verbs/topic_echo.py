# SPDX-License-Identifier: Apache-2.0
"""`ros2 topic echo`: print messages as they come."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
import time
from typing import Any

import rclpy
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile
import yaml

from .. import qos
from ..graph import add_node_arguments, cli_node, wait_until
from ..interfaces import get_interface
from ..message_text import Detail, message_to_csv, message_to_yaml
from ..parser import Result, positive_float, unsigned_int
from ..topics import full_topic_name, message_class, message_filter

DEFAULT_TRUNCATE_LENGTH = 128


def add_arguments(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_node_arguments(parser)
    parser.add_argument('topic_name', help="Name of the ROS topic (e.g. '/chatter')")
    parser.add_argument(
        'message_type', nargs='?', help="Type of the ROS message (e.g. 'std_msgs/msg/String')"
    )
    qos.add_qos_arguments(parser, 'sensor_data')
    parser.add_argument('--csv', action='store_true', help='Output all fields separated by commas')
    parser.add_argument(
        '--field', help="Echo a selected field; '.' selects sub-fields: 'pose.pose.position'"
    )
    parser.add_argument(
        '-f',
        '--full-length',
        action='store_true',
        help='Output all elements of arrays, bytes, and strings',
    )
    parser.add_argument(
        '-l',
        '--truncate-length',
        type=unsigned_int,
        default=DEFAULT_TRUNCATE_LENGTH,
        help='The length to truncate arrays, bytes, and strings to (default: %(default)s)',
    )
    parser.add_argument(
        '--no-arr', action='store_true', help="Don't print array fields of messages"
    )
    parser.add_argument(
        '--no-str', action='store_true', help="Don't print string fields of messages"
    )
    parser.add_argument('--flow-style', action='store_true', help='Print YAML in flow style')
    parser.add_argument(
        '--no-lost-messages', action='store_true', help="Don't report when a message is lost"
    )
    parser.add_argument('--raw', action='store_true', help='Echo the raw binary representation')
    parser.add_argument(
        '--filter', dest='filter_expr', help='Python expression over m, the message'
    )
    parser.add_argument(
        '--once', action='store_true', help='Print the first message received and then exit.'
    )
    parser.add_argument(
        '--timeout', metavar='N', type=positive_float, help='Stop after so many seconds'
    )
    parser.add_argument(
        '-i',
        '--include-message-info',
        action='store_true',
        help='Shows the associated message info.',
    )


def echo(args: Namespace) -> Result:
    """Output messages from a topic."""
    printer = Printer(args)
    with cli_node(args) as node:
        if args.message_type:
            cls = get_interface(args.message_type, 'msg')
        else:
            cls = message_class(node, args.topic_name, args.spin_time)
        node.create_subscription(
            cls,
            args.topic_name,
            printer,
            _profile(node, args),
            raw=args.raw,
            event_callbacks=_events(args),
        )
        deadline = time.monotonic() + args.timeout if args.timeout else float('inf')
        while not (args.once and printer.printed) and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=min(1.0, deadline - time.monotonic()))
    return None


def _profile(node: rclpy.node.Node, args: Namespace) -> QoSProfile:
    profile = qos.profile_of(args)
    if not qos.is_given(args):
        name = full_topic_name(node, args.topic_name)
        wait_until(node, lambda: node.count_publishers(name) > 0, args.spin_time)
        print(*qos.adapt(profile, node, name), sep='\n', end='')
    return profile


def _events(args: Namespace) -> SubscriptionEventCallbacks | None:
    return None if args.no_lost_messages else SubscriptionEventCallbacks(message_lost=_print_lost)


def _print_lost(status: Any) -> None:
    print(
        f'A message was lost!!!\n\ttotal count change:{status.total_count_change}'
        f'\n\ttotal count: {status.total_count}',
        end='---\n',
    )


class Printer:
    """Prints what the options ask of each message.

    :raises RuntimeError: for a field name without letters.
    """

    def __init__(self, args: Namespace) -> None:
        self.printed = 0
        self._args = args
        self._detail = Detail(
            None if args.full_length else args.truncate_length, args.no_arr, args.no_str
        )
        self._field = [part for part in (args.field or '').split('.') if part]
        if args.field is not None and not self._field:
            raise RuntimeError(f"Invalid field value '{args.field}'")
        self._wanted: Callable[[Any], bool] = message_filter(args.filter_expr)

    def __call__(self, message: Any, info: dict[str, Any]) -> None:
        """Print a message.

        :raises RuntimeError: for a message without the field.
        """
        value = self._select(message)
        if not self._wanted(value) or (self._args.once and self.printed):
            return
        self.printed += 1
        if not hasattr(value, 'SLOT_TYPES'):
            self._print_plain(value, info)
        elif self._args.csv:
            self._print_csv(value, info)
        else:
            self._print_yaml(value, info)

    def _select(self, message: Any) -> Any:
        try:
            for part in self._field:
                message = getattr(message, part)
        except AttributeError as error:
            raise RuntimeError(f"Invalid field '{'.'.join(self._field)}': {error}") from None
        return message

    def _print_plain(self, value: Any, info: dict[str, Any]) -> None:
        if self._args.include_message_info:
            print('---Got new message, message info:---', info, '---Message data:---', sep='\n')
        print(value, end='\n---\n')

    def _print_csv(self, value: Any, info: dict[str, Any]) -> None:
        head = [str(x) for x in info.values()] if self._args.include_message_info else []
        print(','.join([*head, message_to_csv(value, self._detail)]))

    def _print_yaml(self, value: Any, info: dict[str, Any]) -> None:
        if self._args.include_message_info:
            print(yaml.dump(info), end='---\n')
        print(message_to_yaml(value, self._detail, self._args.flow_style), end='---\n')
