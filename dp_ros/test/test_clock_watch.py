# SPDX-License-Identifier: Apache-2.0
"""A system clock that is set back stops the arm, and does not stop the watch over it."""

from contextlib import closing
import time

from dp_ros.nodes.clock_watch import ClockWatch
from dp_ros.nodes.executor import ExecutorNode
from dp_ros_msgs.msg import ExecutorStatus
from fake_robot import Bench, FakeRobot
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time

HOUR = 3600 * 10**9


class SetBack:
    """A node's clock, some nanoseconds behind."""

    def __init__(self, node, behind_ns=HOUR):
        self._clock, self._behind_ns = node.get_clock(), behind_ns

    def __getattr__(self, name):
        return getattr(self._clock, name)

    def now(self):
        return Time(nanoseconds=self._clock.now().nanoseconds - self._behind_ns)


@pytest.fixture
def node(ros_context):
    node = Node('watching', context=ros_context)
    yield node
    node.destroy_node()


def test_it_tells_by_how_much_the_clock_was_set_back_once(node, monkeypatch, spin_until):
    told, ticks = [], []
    ClockWatch(node, told.append)
    node.create_timer(0.05, lambda: ticks.append(1))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    spin_until(executor, lambda: len(ticks) > 3, timeout=30)
    assert told == []
    behind = SetBack(node)
    monkeypatch.setattr(node, 'get_clock', lambda: behind)
    ticks.clear()
    spin_until(executor, lambda: told and len(ticks) > 3, timeout=30)
    assert told == [pytest.approx(3600, abs=30)]


def test_timers_begin_anew_but_for_those_that_were_cancelled(node, monkeypatch):
    watch = ClockWatch(node, lambda _: None)
    timer, cancelled = (node.create_timer(1000.0, lambda: None) for _ in range(2))
    cancelled.cancel()
    time.sleep(0.01)
    left = timer.time_until_next_call()
    behind = SetBack(node)
    monkeypatch.setattr(node, 'get_clock', lambda: behind)
    watch._look()
    assert timer.time_until_next_call() > left
    assert cancelled.is_canceled()


def test_the_executor_stops_until_it_is_resumed(ros_context, monkeypatch):
    robot = FakeRobot(ros_context)
    calm = [Parameter('joint_state_timeout', value=3.0), Parameter('execute', value=True)]
    node = ExecutorNode(context=ros_context, parameter_overrides=calm)
    with closing(Bench(ros_context, node, robot)) as bench:
        bench.until_reason('waiting for a chunk')
        behind = SetBack(bench.node)
        monkeypatch.setattr(bench.node, 'get_clock', lambda: behind)
        status = bench.until_reason('the clock was set back by 3', 'call ~/resume')
        assert status.state == ExecutorStatus.STOPPED
        assert robot.sent == []
