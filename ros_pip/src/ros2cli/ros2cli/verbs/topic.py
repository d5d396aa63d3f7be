# SPDX-License-Identifier: Apache-2.0
"""`ros2 topic`: which topics there are, and what is on them."""

from argparse import ArgumentParser, Namespace

from rclpy.node import Node

from ..graph import add_node_arguments, cli_node, settle, visible, wait_until
from ..parser import Result, add_verbs
from ..topics import topic_types
from . import topic_echo, topic_hz, topic_pub


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(
        parser,
        {
            'echo': (topic_echo.add_arguments, topic_echo.echo),
            'hz': (topic_hz.add_arguments, topic_hz.hz),
            'info': (_info_arguments, info),
            'list': (_list_arguments, list_topics),
            'pub': (topic_pub.add_arguments, topic_pub.pub),
            'type': (_type_arguments, print_type),
        },
    )


def _list_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument(
        '-t', '--show-types', action='store_true', help='Additionally show the topic type'
    )
    parser.add_argument(
        '-c',
        '--count-topics',
        action='store_true',
        help='Only display the number of topics discovered',
    )
    parser.add_argument(
        '--include-hidden-topics', action='store_true', help='Consider hidden topics as well'
    )
    parser.add_argument(
        '-v', '--verbose', action='store_true', help='List full details about each topic'
    )


def list_topics(args: Namespace) -> Result:
    """Output a list of available topics."""
    with cli_node(args) as node:
        settle(node, args.spin_time)
        found = visible(node.get_topic_names_and_types(), args.include_hidden_topics)
        if args.count_topics:
            print(len(found))
        elif args.verbose:
            counts = {name: node.count_publishers(name) for name, _ in found}
            print(_counted('Published', 'publisher', found, counts))
            counts = {name: node.count_subscribers(name) for name, _ in found}
            print(_counted('Subscribed', 'subscriber', found, counts))
        else:
            for name, types in found:
                print(f'{name} [{", ".join(types)}]' if args.show_types else name)
    return None


def _counted(
    title: str, noun: str, topics: list[tuple[str, list[str]]], counts: dict[str, int]
) -> str:
    lines = [
        f' * {name} [{", ".join(types)}] {counts[name]} {noun}{"s" if counts[name] > 1 else ""}\n'
        for name, types in topics
        if counts[name]
    ]
    return ''.join([f'{title} topics:\n', *lines])


def _topic_arguments(parser: ArgumentParser) -> None:
    add_node_arguments(parser)
    parser.add_argument('topic_name', help="Name of the ROS topic (e.g. '/chatter')")


def _info_arguments(parser: ArgumentParser) -> None:
    _topic_arguments(parser)
    parser.add_argument(
        '-v',
        '--verbose',
        action='store_true',
        help='Prints node names, types, GUIDs and QoS profiles of publishers and subscribers',
    )


def info(args: Namespace) -> Result:
    """Print information about a topic."""
    name = args.topic_name
    with cli_node(args) as node:
        if not wait_until(node, lambda: bool(topic_types(node, name)), args.spin_time):
            return f"Unknown topic '{name}'"
        settle(node, args.spin_time)
        _print_info(node, name, args.verbose)
    return None


def _print_info(node: Node, name: str, verbose: bool) -> None:
    end = '\n\n' if verbose else '\n'
    types = topic_types(node, name)
    print(f'Type: {types[0] if len(types) == 1 else types}', end=end)
    print(f'Publisher count: {node.count_publishers(name)}', end=end)
    if verbose:
        for endpoint in node.get_publishers_info_by_topic(name):
            print(endpoint, end=end)
    print(f'Subscription count: {node.count_subscribers(name)}', end=end)
    if verbose:
        for endpoint in node.get_subscriptions_info_by_topic(name):
            print(endpoint, end=end)


def _type_arguments(parser: ArgumentParser) -> None:
    _topic_arguments(parser)


def print_type(args: Namespace) -> Result:
    """Print a topic's type."""
    with cli_node(args) as node:
        if not wait_until(node, lambda: bool(topic_types(node, args.topic_name)), args.spin_time):
            return 1
        print(*topic_types(node, args.topic_name), sep='\n')
    return None
