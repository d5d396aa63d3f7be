# SPDX-License-Identifier: Apache-2.0
"""`ros2 topic pub`: publish what the command line says."""

from argparse import ArgumentParser, Namespace
import sys
import time
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher

from .. import qos
from ..graph import add_node_arguments, cli_node, wait_until
from ..interfaces import get_interface
from ..message_fields import StampSetter, parse_values, set_message_fields
from ..parser import Result, positive_float, unsigned_int


def add_arguments(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_node_arguments(parser)
    parser.add_argument('topic_name', help="Name of the ROS topic (e.g. '/chatter')")
    parser.add_argument('message_type', help="Type of the ROS message (e.g. 'std_msgs/String')")
    values = parser.add_mutually_exclusive_group()
    values.add_argument(
        'values', nargs='?', default='{}', help="Values in YAML (e.g. 'data: Hello World')"
    )
    values.add_argument('--stdin', action='store_true', help='Read values from standard input')
    parser.add_argument(
        '-r',
        '--rate',
        metavar='N',
        type=positive_float,
        default=1.0,
        help='Publishing rate in Hz (default: 1)',
    )
    parser.add_argument(
        '-p',
        '--print',
        metavar='N',
        type=int,
        default=1,
        help='Only print every N-th published message (default: 1)',
    )
    times = parser.add_mutually_exclusive_group()
    times.add_argument('-1', '--once', action='store_true', help='Publish one message and exit')
    times.add_argument(
        '-t', '--times', type=unsigned_int, default=0, help='Publish so many messages and exit'
    )
    parser.add_argument(
        '-w',
        '--wait-matching-subscriptions',
        type=unsigned_int,
        help='Wait for so many subscriptions (default: 1 with --once or --times, else 0)',
    )
    parser.add_argument(
        '--max-wait-time-secs',
        type=positive_float,
        help='Longest time to wait for them (default: without end)',
    )
    parser.add_argument(
        '--keep-alive',
        metavar='N',
        type=positive_float,
        default=0.1,
        help='Keep publishing node alive for N seconds after the last msg (default: 0.1)',
    )
    parser.add_argument('-n', '--node-name', help='Name of the created publishing node')
    qos.add_qos_arguments(parser, 'default')


def pub(args: Namespace) -> Result:
    """Publish a message to a topic."""
    cls = get_interface(args.message_type, 'msg')
    values = parse_values(sys.stdin.read() if args.stdin else args.values)
    times = 1 if args.once else args.times
    subscribers = args.wait_matching_subscriptions
    subscribers = int(times != 0) if subscribers is None else subscribers
    if subscribers == 0 and args.max_wait_time_secs:
        return (
            '--max-wait-time-secs option is only effective with '
            '--wait-matching-subscriptions, --once or --times'
        )
    message = cls()
    try:
        setters = set_message_fields(message, values, expand_times=True)
    except (AttributeError, TypeError, ValueError, AssertionError) as error:
        return f'Failed to populate field: {error}'
    with cli_node(args, args.node_name) as node:
        publisher = node.create_publisher(cls, args.topic_name, qos.profile_of(args))
        _wait(node, publisher, subscribers, args.max_wait_time_secs)
        print('publisher: beginning loop')
        _publish(node, publisher, message, setters, args.rate, times, args.print)
        time.sleep(args.keep_alive)
    return None


def _wait(node: Node, publisher: Publisher, wanted: int, longest: float | None) -> None:
    started = time.monotonic()

    def matched() -> bool:
        return publisher.get_subscription_count() >= wanted

    while not matched():
        print(f'Waiting for at least {wanted} matching subscription(s)...')
        left = float('inf') if longest is None else started + longest - time.monotonic()
        if not wait_until(node, matched, min(1.0, left)) and left <= 1.0:
            raise RuntimeError(
                f'Timed out waiting for subscribers: Expected {wanted} subcribers but only got '
                f'{publisher.get_subscription_count()} subscribers'
            )


def _publish(
    node: Node,
    publisher: Publisher,
    message: Any,
    setters: list[StampSetter],
    rate: float,
    times: int,
    print_nth: int,
) -> None:
    count = 0

    def publish_one() -> None:
        nonlocal count
        for setter in setters:
            setter(node.get_clock().now().to_msg())
        count += 1
        if print_nth and count % print_nth == 0:
            print(f'publishing #{count}: {message!r}\n')
        publisher.publish(message)

    publish_one()
    if times == 1:
        return
    node.create_timer(1.0 / rate, publish_one)
    while times == 0 or count < times:
        rclpy.spin_once(node)
