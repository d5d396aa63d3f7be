# SPDX-License-Identifier: Apache-2.0
"""`ros2 topic hz`: the rate of a topic."""

from argparse import ArgumentParser, Namespace
from collections import deque
import math

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.qos import qos_profile_sensor_data

from ..graph import add_node_arguments, cli_node
from ..parser import Result, positive_int
from ..topics import message_class, message_filter

DEFAULT_WINDOW_SIZE = 10000
NS = 1_000_000_000


def add_arguments(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_node_arguments(parser)
    parser.add_argument('topic_name', help="Name of the ROS topic (e.g. '/chatter')")
    parser.add_argument(
        '-w',
        '--window',
        dest='window_size',
        type=positive_int,
        default=DEFAULT_WINDOW_SIZE,
        metavar='WINDOW',
        help='window size, in # of messages, for calculating rate (default: %(default)s)',
    )
    parser.add_argument(
        '--filter', dest='filter_expr', metavar='EXPR', help='Python expression over m'
    )
    parser.add_argument(
        '--wall-time',
        dest='use_wtime',
        action='store_true',
        help='calculates rate using wall time, also while a simulation gives the time',
    )


def hz(args: Namespace) -> Result:
    """Print the average publishing rate to screen."""
    meter = RateMeter(args.window_size)
    wanted = message_filter(args.filter_expr)
    with cli_node(args) as node:
        cls = message_class(node, args.topic_name, args.spin_time, blocking=True)
        clock = Clock(clock_type=ClockType.SYSTEM_TIME) if args.use_wtime else node.get_clock()

        def on_message(message: object) -> None:
            if wanted(message) and meter.add(clock.now().nanoseconds):
                print('time has reset, resetting counters')

        node.create_subscription(cls, args.topic_name, on_message, qos_profile_sensor_data)
        while rclpy.ok():
            rclpy.spin_once(node, timeout_sec=1.0)
            report = meter.report()
            if report:
                print(report)
    return None


class RateMeter:
    """Mean, extremes and spread of the time between messages."""

    def __init__(self, window_size: int) -> None:
        self._periods: deque[int] = deque(maxlen=window_size)
        self._last_ns: int | None = None
        self._reported_ns: int | None = None

    def add(self, now_ns: int) -> bool:
        """Note that a message came; tell whether the clock went back."""
        went_back = self._last_ns is not None and now_ns < self._last_ns
        if went_back:
            self._periods.clear()
            self._reported_ns = None
        elif self._last_ns is not None:
            self._periods.append(now_ns - self._last_ns)
        self._last_ns = now_ns
        return went_back

    def report(self) -> str | None:
        """Return what there is to print: at most once per second of the messages' clock."""
        if self._last_ns is None or not self._periods:
            return None
        if self._reported_ns is None:
            self._reported_ns = self._last_ns
        if self._last_ns < self._reported_ns + NS:
            return None
        self._reported_ns = self._last_ns
        return self._text([period / NS for period in self._periods])

    def _text(self, periods: list[float]) -> str:
        mean = sum(periods) / len(periods)
        deviation = math.sqrt(sum((p - mean) ** 2 for p in periods) / len(periods))
        rate = 1.0 / mean if mean > 0.0 else 0.0
        return (
            f'average rate: {rate:.3f}\n\tmin: {min(periods):.3f}s max: {max(periods):.3f}s '
            f'std dev: {deviation:.5f}s window: {len(periods)}'
        )
