# SPDX-License-Identifier: Apache-2.0
"""Whose arm it is: a person's before the policy's, and nobody else's."""

from dp_ros.control.executor.sources import HOLD
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import ns_to_duration, time_to_ns
from dp_ros.ros.diagnostics import ERROR
from dp_ros_msgs.msg import ExecutorStatus
from executor_bench import COMMANDS, HOME, JOINTS, MS, QOS, benches
import numpy as np
import pytest
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

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
    bench.follow(bench.chunk(n_points=5), teleop.publish)
    taken_ns = bench.now_ns()
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.core_node._sources.left_out == 1)
    bench.until(lambda: any(s.source == 'teleop' for s in bench.statuses))
    bench.until(lambda: bench.status().chunks_executed == 2)
    assert not bench.status().inhibited_by
    assert bench.status().source != 'policy' and len(bench.sent) == 2
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
    assert 'that is over, call executor/resume to move' in bench.status().reason
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


def foreign(bench, reach=0.5):
    """Return a command that moves all joints by ``reach`` [rad] in ten seconds, as others send."""
    message = JointTrajectory(joint_names=JOINTS)
    target = JointTrajectoryPoint(positions=(bench.position() + reach).tolist())
    target.velocities = target.accelerations = [0.0] * 7
    target.time_from_start = ns_to_duration(10 * NS)
    message.points.append(target)
    return message


@pytest.mark.parametrize('name', ['', 'estop', 'pause'])
def test_a_foreign_command_is_said_and_braked_whatever_holds_the_arm(make, other, name):
    bench = make()
    intruder = other(bench, COMMANDS)
    bench.until(lambda: list(bench.status().inhibited_by) == HELD)
    if name:
        bench.call(name)
    intruder.publish(foreign(bench))
    bench.until(lambda: 'stop' in bench.status().inhibited_by)
    assert f'/left/other commanded the arm on /{COMMANDS}: end it' in bench.status().reason
    bench.until(lambda: len(bench.sent) == 2)
    heard_ns, braked_ns = (time_to_ns(m.header.stamp) for m in bench.sent)
    assert heard_ns == 0 and not any(bench.sent[-1].points[-1].velocities)
    bench.until_at_rest()
    assert np.abs(bench.position() - HOME).max() < 0.1, 'it would have led 0.5 rad away'


def test_after_a_foreign_command_a_person_resumes_from_where_the_arm_is(make, other):
    bench = make()
    until_free(bench)
    bench.follow()
    bench.until_moving()
    intruder = other(bench, COMMANDS)  # From here on the watch may hold the arm at any time.
    intruder.publish(foreign(bench))
    bench.until(lambda: any('commanded the arm' in s.reason for s in bench.statuses))
    bench.until(lambda: 'publishers' in bench.status().inhibited_by)
    intruder.close()
    bench.until_at_rest()
    bench.until(lambda: list(bench.status().inhibited_by) == ['stop'])
    assert '/left/other commanded the arm' in bench.status().reason
    bench.until(lambda: bench.reports[-1].message == bench.status().reason)
    assert bench.reports[-1].level == ERROR
    assert bench.call('resume').success
    begun = bench.core_node._core._arm.state(bench.now_ns()).position
    np.testing.assert_allclose(begun, bench.position(), atol=1e-3)
    bench.follow()


def test_in_a_dry_run_a_foreign_command_is_said_and_nothing_is_sent(make, other):
    bench = make(ready=False, execute=False)
    intruder = other(bench, COMMANDS)
    bench.until(lambda: bench.core_node._core._measured.newest is not None)
    intruder.publish(foreign(bench))
    bench.until(lambda: {'execute', 'stop'} <= set(bench.status().inhibited_by))
    assert bench.status().state == ExecutorStatus.SHADOW
    end_ns = bench.now_ns() + 500 * MS
    bench.until(lambda: bench.now_ns() > end_ns)
    assert len(bench.sent) == 1 and bench.sent[0].header.stamp.sec == 0


def test_a_foreign_command_that_nobody_can_read_stops_too(make, other):
    bench = make(controller=False)
    intruder = other(bench, COMMANDS)
    for content in (b'\x00\x01\x00\x00', b'\x00\x01\x00\x00' + bytes(40)):
        intruder.publish(content)
        bench.until(lambda: 'stop' in bench.status().inhibited_by)
        bench.core_node._core.interlocks.clear('stop')
        bench.until(lambda: 'stop' not in bench.status().inhibited_by)
    ragged = foreign(bench)
    ragged.points.append(JointTrajectoryPoint(positions=[0.0]))
    intruder.publish(ragged)
    bench.until(lambda: 'stop' in bench.status().inhibited_by)
    assert not bench.status().moving


def test_a_repeated_command_of_ones_own_is_a_foreign_one(make, other):
    bench = make()
    intruder = other(bench, COMMANDS)
    bench.until(lambda: list(bench.status().inhibited_by) == HELD)
    intruder.close()
    bench.until(lambda: not bench.core_node._publisher_watch._found)
    bench.call('resume')
    sent = bench.follow()
    again = other(bench, COMMANDS)
    again.publish(sent)
    bench.until(lambda: any('commanded the arm' in s.reason for s in bench.statuses))
