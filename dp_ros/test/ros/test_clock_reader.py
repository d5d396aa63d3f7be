# SPDX-License-Identifier: Apache-2.0
"""A simulated clock that is set while the node's callbacks run, and goes back between them."""

from contextlib import closing
import threading
import time

from dp_ros.robot.units import NS
from dp_ros.ros.clock_reader import ClockReader
from dp_ros.ros.clock_watch import on_jump_back
from dp_ros.ros.conversions import ns_to_time
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

EPOCH = 1_800_000_000 * NS
DEADLINE = 60.0


class Bench:
    def __init__(self, context, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = Node('follows', context=context, parameter_overrides=overrides)
        self.other = Node('simulates', context=context)
        self.topic = self.other.create_publisher(Clock, '/clock', 10)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)

    @property
    def now_ns(self):
        return self.node.get_clock().now().nanoseconds

    def until(self, condition, time_ns=None, spin=True):
        """Wait; publish a time again and again, for the first ones may find nobody."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, self.now_ns
            if time_ns is not None:
                self.topic.publish(Clock(clock=ns_to_time(time_ns)))
            if spin:
                self.executor.spin_once(timeout_sec=0.01)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.other.destroy_node()


@pytest.fixture
def bench(ros_context):
    made = Bench(ros_context, use_sim_time=True)
    with closing(made), closing(ClockReader(made.node)):
        yield made


def test_time_passes_while_the_node_is_busy(bench):
    bench.until(lambda: bench.now_ns == EPOCH, EPOCH, spin=False)
    seen = []

    def work():
        bench.until(lambda: bench.now_ns == EPOCH + NS, EPOCH + NS, spin=False)
        seen.append(bench.now_ns)

    timer = bench.node.create_timer(0.01, work)
    bench.until(lambda: seen, EPOCH + NS // 2)
    timer.cancel()
    assert seen[0] == EPOCH + NS


def test_timers_follow_the_time_that_is_read(bench):
    bench.until(lambda: bench.now_ns == EPOCH, EPOCH)
    calls = []
    bench.node.create_timer(10.0, lambda: calls.append(bench.now_ns))
    bench.until(lambda: bench.now_ns == EPOCH + 9 * NS, EPOCH + 9 * NS)
    assert calls == []
    bench.until(lambda: calls, EPOCH + 11 * NS)


def test_who_is_told_of_a_time_that_goes_back_is_called_in_the_nodes_thread(bench):
    threads = []
    bench.until(lambda: bench.now_ns == EPOCH, EPOCH)
    handle = on_jump_back(bench.node, lambda jump: threads.append(threading.get_ident()))
    bench.until(lambda: bench.now_ns == EPOCH - NS, EPOCH - NS)
    assert threads == [threading.get_ident()]
    bench.until(lambda: bench.now_ns == EPOCH, EPOCH)
    handle.unregister()


def test_a_node_on_the_systems_clock_reads_none(ros_context):
    with closing(Bench(ros_context)) as bench, closing(ClockReader(bench.node)):
        bench.node.create_subscription(Clock, '/clock', lambda _: heard.append(1), 10)
        heard = []
        bench.until(lambda: heard, EPOCH)
        assert bench.now_ns != EPOCH
