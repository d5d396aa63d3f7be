# SPDX-License-Identifier: Apache-2.0
"""`ros2 bag record`: write topics to a bag until a signal comes."""

from argparse import ArgumentParser, Namespace
import datetime
from pathlib import Path
import time

from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rosbags.rosbag2 import Writer

from ..bag.arguments import STORAGES, add_exclude_arguments, add_keyboard_argument, error_text
from ..bag.choice import TopicChoice
from ..bag.recorder import Recorder
from ..bag.stop import StopRequest
from ..graph import cli_node
from ..parser import Result

#: The version of rosbag2's metadata that jazzy writes.
METADATA_VERSION = 9
#: Longest time to write what waits in the queues at the end [s].
DRAIN_TIME = 2.0


def add_arguments(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        '-o', '--output', help='Bag folder to create (default: a timestamped folder here)'
    )
    parser.add_argument(
        '-s',
        '--storage',
        default='mcap',
        choices=sorted(STORAGES),
        help="Storage identifier to be used, defaults to '%(default)s'.",
    )
    topics = parser.add_mutually_exclusive_group()
    topics.add_argument(
        'topics_positional', nargs='*', default=[], metavar='Topic', help='Topics to record'
    )
    topics.add_argument(
        '--topics', nargs='+', default=[], metavar='Topic', help='Topics to record'
    )
    parser.add_argument(
        '--topic-types', nargs='+', default=[], metavar='TopicType', help='Types to record'
    )
    parser.add_argument(
        '-a', '--all', action='store_true', help='Record all topics that are not hidden'
    )
    parser.add_argument('--all-topics', action='store_true', help='The same')
    parser.add_argument('-e', '--regex', default='', help='Record topics that contain this')
    add_exclude_arguments(parser)
    parser.add_argument(
        '--exclude-topic-types',
        nargs='+',
        default=[],
        metavar='TopicType',
        help='Types not to record',
    )
    parser.add_argument(
        '--include-unpublished-topics',
        action='store_true',
        help='Record topics which have no publisher',
    )
    parser.add_argument(
        '--include-hidden-topics', action='store_true', help='Record hidden topics as well'
    )
    parser.add_argument(
        '--no-discovery', action='store_true', help='Record only topics present at startup'
    )
    parser.add_argument(
        '-p',
        '--polling-interval',
        type=int,
        default=100,
        help='Time in ms between two looks for topics (default: %(default)s)',
    )
    parser.add_argument(
        '--use-sim-time', action='store_true', help='Take the times of messages from /clock'
    )
    parser.add_argument(
        '--node-name', default='rosbag2_recorder', help='Name of the node (default: %(default)s)'
    )
    add_keyboard_argument(parser)


def record(args: Namespace) -> Result:
    """Record ROS data to a bag."""
    args.topics = args.topics or args.topics_positional
    everything = args.all or args.all_topics
    if not (everything or args.topics or args.topic_types or args.regex):
        return error_text(
            'Need to specify at least one option out of --all, --all-topics, --topics, '
            '--topic-types or --regex'
        )
    path = Path(args.output or datetime.datetime.now().strftime('rosbag2_%Y_%m_%d-%H_%M_%S'))
    if path.exists():
        return error_text(f"Output folder '{path}' already exists.")
    stop = StopRequest()
    with cli_node(args, args.node_name, SignalHandlerOptions.NO) as node:
        writer = Writer(path, version=METADATA_VERSION, storage_plugin=STORAGES[args.storage])
        recorder = Recorder(
            node,
            writer,
            TopicChoice.from_args(args, everything),
            args.include_hidden_topics,
            args.include_unpublished_topics,
        )
        try:
            writer.open()
        except OSError as error:
            return error_text(f"Could not create bag folder '{path}': {error.strerror}")
        try:
            _spin(node, recorder, args, stop)
        finally:
            writer.close()
            node.get_logger().info('Recording stopped')
    return None


def _spin(node: Node, recorder: Recorder, args: Namespace, stop: StopRequest) -> None:
    """Record until a stop request."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    node.get_logger().info('Listening for topics...')
    recorder.discover()
    # Simulated time may stand still, and topics appear all the same.
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    timer = node.create_timer(args.polling_interval / 1000, recorder.discover, clock=steady)
    if args.no_discovery:
        timer.cancel()
    node.get_logger().info('Recording...')
    while not stop.requested:
        executor.spin_once(timeout_sec=0.1)
    timer.cancel()
    _drain(executor, recorder)
    executor.shutdown()


def _drain(executor: SingleThreadedExecutor, recorder: Recorder) -> None:
    """Write what had come before the stop request."""
    deadline = time.monotonic() + DRAIN_TIME
    written = -1
    while recorder.written != written and time.monotonic() < deadline:
        written = recorder.written
        executor.spin_once(timeout_sec=0.0)
