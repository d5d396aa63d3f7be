# SPDX-License-Identifier: Apache-2.0
"""Whose arm it is: a person's before the policy's, and nobody else's."""

from dp_ros.control.sources import HOLD
from dp_ros.control.trajectory import NS
from dp_ros.nodes.diagnostics import ERROR
from executor_bench import COMMANDS, MS, QOS, benches
import numpy as np
import pytest
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

HELD = ['publishers']


@pytest.fixture
def make(ros_context):
    with benches(ros_context) as make_bench:
        yield make_bench


class Other:
    """A node that publishes trajectories on one topic, until it is gone."""

    def __init__(self, bench, topic, name='other'):
        self._node = Node(name, context=bench.node.context, namespace='left')
        self._publisher = self._node.create_publisher(JointTrajectory, f'/{topic}', QOS)
        self.publish = self._publisher.publish
        bench.until(self._publisher.get_subscription_count)

    def close(self):
        self._node.destroy_node()


@pytest.fixture
def other():
    opened = []
    yield lambda *given: opened.append(Other(*given)) or opened[-1]
    for each in opened:
        each.close()


def test_a_person_takes_the_arm_and_gives_it_back_by_silence(make, other):
    bench = make(slow_start_time=2.0)
    teleop = other(bench, 'teleop/chunk', 'teleop')
    bench.follow()
    bench.until(lambda: bench.status().source == 'policy')
    bench.until_moving()
    teleop.publish(bench.chunk(n_points=5))
    bench.until(lambda: bench.status().source == 'teleop')
    taken_ns = bench.now_ns()
    assert bench.status().chunks_executed == 2 and not bench.status().inhibited_by
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.core_node._sources.left_out == 1)
    assert bench.status().source == 'teleop' and len(bench.sent) == 2
    bench.until_at_rest()
    bench.until(lambda: bench.now_ns() > taken_ns + HOLD * NS)
    first = bench.follow().points[:10]
    bench.until(lambda: bench.status().source == 'policy')
    assert first[-1].time_from_start.sec == 0
    assert max(np.abs(point.velocities).max() for point in first) < 0.05
    bench.until(lambda: keys(bench.reports[-1])["policy's chunks left out"] == '1')


def keys(report):
    return {value.key: value.value for value in report.values}


def until_free(bench):
    """Wait until it has been seen that nobody else commands the arm."""
    bench.until(lambda: bench.core_node._publisher_watch._was_free)


@pytest.mark.parametrize(
    ('topic', 'said'),
    [
        ('policy/chunk', '/bench and /left/other all publish on /policy/chunk: end all but one'),
        (COMMANDS, f'/left/other may command the arm too, on /{COMMANDS}: end it'),
    ],
)
def test_a_second_publisher_holds_the_arm_until_it_is_gone(make, other, topic, said):
    bench = make()
    until_free(bench)
    bench.follow()
    bench.until_moving()
    intruder = other(bench, topic)
    bench.until(lambda: list(bench.status().inhibited_by) == HELD)
    assert said in bench.status().reason
    bench.until(lambda: len(bench.sent) == 2)
    assert not any(bench.sent[-1].points[-1].velocities)
    bench.until(lambda: bench.reports and bench.reports[-1].level == ERROR)
    assert said in bench.reports[-1].message
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.status().chunks_received == 2)
    bench.until_at_rest()
    assert len(bench.sent) == 2
    intruder.close()
    bench.until(lambda: list(bench.status().inhibited_by) == ['stop'])
    assert 'that is over: call executor/resume to move' in bench.status().reason
    assert bench.call('resume').success
    bench.follow()


def test_who_was_there_from_the_start_holds_the_arm_no_longer_than_he_stays(make, ros_context):
    early = Node('early', context=ros_context)
    early.create_publisher(JointTrajectory, COMMANDS, QOS)
    bench = make(ready=False)
    bench.until(lambda: list(bench.status().inhibited_by) == HELD)
    early.destroy_node()
    bench.until(lambda: bench.status().reason == 'waiting for a chunk')
    bench.follow()


def test_two_teleoperations_are_one_too_many(make, other):
    bench = make()
    until_free(bench)
    intruders = [other(bench, 'teleop/chunk', name) for name in ('one', 'two')]
    bench.until(lambda: list(bench.status().inhibited_by) == HELD)
    assert '/left/one and /left/two all publish on /teleop/chunk' in bench.status().reason
    intruders[0].close()
    bench.until(lambda: list(bench.status().inhibited_by) == ['stop'])


def test_a_second_executor_of_the_same_name_is_one_too_many(make, other):
    bench = make()
    until_free(bench)
    twin = Node('executor', context=bench.node.context)
    publisher = twin.create_publisher(JointTrajectory, COMMANDS, QOS)
    bench.until(lambda: list(bench.status().inhibited_by) == HELD)
    assert f'/executor may command the arm too, on /{COMMANDS}' in bench.status().reason
    twin.destroy_publisher(publisher)
    twin.destroy_node()
    bench.until(lambda: list(bench.status().inhibited_by) == ['stop'])


def test_one_s_own_commands_are_not_foreign(make):
    bench = make(slow_start_time=0.0)
    for _ in range(30):
        bench.follow()
    end_ns = bench.now_ns() + 200 * MS
    bench.until(lambda: bench.now_ns() > end_ns)
    assert list(bench.status().inhibited_by) == [] and bench.status().chunks_executed == 30
