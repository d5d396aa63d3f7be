# SPDX-License-Identifier: Apache-2.0
"""`ros2 bag play`: publish what a bag holds."""

from argparse import ArgumentParser, Namespace
import time

from rclpy.signals import SignalHandlerOptions

from ..bag.arguments import (
    add_bag_arguments,
    add_exclude_arguments,
    add_keyboard_argument,
    opened,
)
from ..bag.choice import TopicChoice
from ..bag.player import Player, PlayOptions
from ..bag.stop import StopRequest
from ..graph import cli_node
from ..parser import Result, positive_float


def add_arguments(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_bag_arguments(parser)
    parser.add_argument(
        '-r', '--rate', type=positive_float, default=1.0, help='rate at which to play back'
    )
    parser.add_argument('--topics', nargs='+', default=[], metavar='topic', help='topics to play')
    parser.add_argument('-e', '--regex', default='', help='Play only topics that contain this')
    add_exclude_arguments(parser)
    parser.add_argument(
        '-l', '--loop', action='store_true', help='start again on reaching the end'
    )
    parser.add_argument(
        '-m', '--remap', nargs='+', default=[], help='topics to rename: old_topic:=new_topic'
    )
    parser.add_argument(
        '--clock',
        type=positive_float,
        nargs='?',
        const=40.0,
        default=0.0,
        help='Publish to /clock at a frequency in Hz (default: 40)',
    )
    parser.add_argument(
        '-d',
        '--delay',
        type=positive_float,
        default=0.0,
        help='Sleep duration before play (each loop), in seconds',
    )
    parser.add_argument(
        '--playback-duration', type=float, default=-1.0, help='How far to play, in seconds'
    )
    parser.add_argument(
        '--start-offset', type=float, default=0.0, help='Where to start, seconds into the bag'
    )
    add_keyboard_argument(parser)


def play(args: Namespace) -> Result:
    """Play back ROS data from a bag."""
    stop = StopRequest()
    everything = not (args.topics or args.regex)
    options = PlayOptions(
        args.rate,
        args.clock,
        args.start_offset,
        args.playback_duration if args.playback_duration >= 0 else float('inf'),
        dict(rule.split(':=', 1) for rule in args.remap),
    )
    with (
        opened(args.bag_path) as reader,
        cli_node(None, 'rosbag2_player', SignalHandlerOptions.NO) as node,
    ):
        choice = TopicChoice.from_args(args, everything)
        player = Player(node, reader, choice, options, stop)
        node.get_logger().info(f'Set rate to {args.rate:g}')
        while not stop.requested:
            time.sleep(args.delay)
            player.play()
            if not args.loop:
                break
        player.wait_for_acknowledgements()
    return None
