# SPDX-License-Identifier: Apache-2.0
"""The executor in one process: what it sends, refuses, waits for, and says."""

import math

from diagnostic_msgs.msg import DiagnosticStatus
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import ns_to_time, time_to_ns
from dp_ros.sim.judge import judge
from dp_ros_msgs.msg import ExecutorStatus
from executor_bench import (
    COMMANDS,
    HOME,
    JOINTS,
    MS,
    QOS,
    assert_ends_at_rest,
    benches,
    make_node,
)
import numpy as np
import pytest
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory


@pytest.fixture
def make(ros_context):
    with benches(ros_context) as make_bench:
        yield make_bench


def test_a_chunk_becomes_one_trajectory_that_joins_ahead_and_ends_at_rest(make):
    bench = make()
    before_ns = bench.now_ns()
    sent = bench.follow()
    assert sent.joint_names == JOINTS
    assert time_to_ns(sent.header.stamp) >= before_ns + 300 * MS
    np.testing.assert_allclose(sent.points[0].positions, HOME, atol=1e-9)
    assert sent.points[-1].positions[0] == pytest.approx(0.2, abs=0.05)
    assert_ends_at_rest(sent)
    status = bench.until_state(ExecutorStatus.RUNNING)
    assert status.reason == 'following a chunk'
    assert 0.0 < status.chunk_left <= 0.3 + 0.2 + 8 * 0.2
    assert (status.chunks_received - status.chunks_late, status.chunks_executed) == (1, 1)


def test_without_joint_states_it_names_them(make, monkeypatch):
    bench = make(ready=False)
    bench.alive = False
    bench.core_node._core.forget()
    bench.until(lambda: bench.status().reason == 'waiting for joint states')
    warnings = bench.texts(monkeypatch)
    bench.refused(bench.chunk())
    assert warnings == ['chunk refused: no joint states yet']
    bench.alive = True
    bench.until(lambda: bench.status().reason == 'waiting for a chunk')
    bench.follow()


def test_without_a_controller_it_names_the_topic(make, monkeypatch):
    bench = make(controller=False)
    warnings = bench.texts(monkeypatch)
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: warnings)
    assert warnings == [f'nobody listens on {COMMANDS}: is the controller loaded and active?']


def other_joints(message):
    message.joint_names = ['a', *JOINTS[1:]]


def not_a_number(message):
    message.points[4].positions[2] = math.nan


def infinite(message):
    message.points[4].positions[2] = math.inf


def no_points(message):
    message.points = []


def very_many_points(message):
    message.points = message.points[:1] * 257


def uneven(message):
    message.points[3].positions = message.points[3].positions[:5]


def no_positions(message):
    for point in message.points:
        point.positions = []


def no_stamp(message):
    message.header.stamp = ns_to_time(0)


def of_the_future(message):
    message.header.stamp = ns_to_time(time_to_ns(message.header.stamp) + 5 * NS)


def late(message):
    message.header.stamp = ns_to_time(time_to_ns(message.header.stamp) - 5 * NS)


def times_that_go_back(message):
    message.points.reverse()


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        (other_joints, "chunk for joints ['a', 'fr3_joint2'"),
        (not_a_number, 'a value that is not finite'),
        (infinite, 'a value that is not finite'),
        (no_points, 'no points'),
        (very_many_points, 'chunk has 257 points: at most 256'),
        (uneven, 'points of different lengths'),
        (no_positions, 'positions of shape (0, 7)'),
        (no_stamp, 'stamp of zero'),
        (of_the_future, 's in the future: are clocks synchronized?'),
        (late, 'ms after its last point'),
        (times_that_go_back, 'times that do not increase'),
    ],
)
def test_a_bad_chunk_is_refused_with_its_reason_and_the_next_is_followed(
    make, monkeypatch, spoil, reason
):
    bench = make()
    warnings = bench.texts(monkeypatch)
    message = bench.chunk()
    spoil(message)
    bench.refused(message)
    assert len(warnings) == 1 and warnings[0].startswith('chunk refused: ')
    assert reason in warnings[0]
    refused = bench.status()
    assert refused.chunks_received == 1
    assert (refused.chunks_late, refused.chunks_refused) == ((1, 0) if spoil is late else (0, 1))
    bench.follow()
    bench.until(lambda: bench.status().chunks_executed == 1)
    assert bench.status().chunks_refused == refused.chunks_refused


def test_a_chunk_older_than_the_running_one_is_refused(make, monkeypatch):
    bench = make()
    warnings = bench.texts(monkeypatch)
    old = bench.chunk(bench.now_ns() - 20 * MS)
    bench.follow()
    bench.refused(old)
    assert warnings == ['chunk refused: chunk is older than the one that runs']


def test_when_the_policy_is_killed_the_arm_brakes_by_itself_and_the_status_says_so(make):
    bench = make()
    bench.follow()
    assert_ends_at_rest(bench.sent[-1])
    assert bench.until_state(ExecutorStatus.BRAKING).reason == 'no new chunk: in the braking tail'
    bench.until(lambda: bench.status().reason == 'waiting for a chunk')
    assert len(bench.sent) == 1
    assert np.abs(bench.state()[1:]).max() == 0
    assert math.isnan(bench.status().chunk_left)


def test_pause_brakes_and_resume_follows_again(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    answer = bench.call('pause')
    assert (answer.success, answer.message) == (True, 'paused')
    bench.until(lambda: len(bench.sent) == 2)
    assert_ends_at_rest(bench.sent[-1])
    bench.until_state(ExecutorStatus.PAUSED)
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.status().chunks_received == 2)
    assert len(bench.sent) == 2
    bench.until_at_rest()
    answer = bench.call('resume')
    assert (answer.success, answer.message) == (True, 'waiting for a chunk')
    bench.follow()


def test_stop_holds_until_resume(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    answer = bench.call('stop')
    assert (answer.success, answer.message) == (True, 'stopped by service')
    bench.until(lambda: len(bench.sent) == 2)
    early = bench.call('resume')
    if not early.success:
        assert 'still braking' in early.message
        bench.until_at_rest()
        assert bench.status().state == ExecutorStatus.STOPPED
        assert bench.call('resume').success
    bench.follow()


def test_joint_states_that_turn_nan_stop_the_arm(make, monkeypatch):
    bench = make(joint_state_timeout=1.0)
    warnings = bench.texts(monkeypatch)
    bench.follow()
    bench.alive = False
    bench.node.create_timer(0.02, lambda: bench.joints([math.nan] * 7))
    status = bench.until_state(ExecutorStatus.STOPPED)
    assert status.reason.startswith('no joint states for 1.')
    assert any('joint_states: position of fr3_joint1 is not finite' in text for text in warnings)
    assert_ends_at_rest(bench.sent[-1])


def test_joints_of_a_hand_in_messages_of_their_own_are_passed_over(make, monkeypatch):
    bench = make()
    warnings = bench.texts(monkeypatch)
    bench.node.create_timer(0.01, lambda: bench.joints([0.02], ['fr3_finger_joint1']))
    bench.follow()
    bench.until_state(ExecutorStatus.WAITING)
    assert not any('joint_states' in text for text in warnings)


def test_an_arm_that_does_not_follow_is_stopped(make):
    bench = make(max_tracking_error=0.02)
    bench.alive = False
    bench.node.create_timer(0.02, lambda: bench.joints(HOME))
    bench.follow()
    status = bench.until_state(ExecutorStatus.STOPPED)
    assert 'rad from where it is commanded, more than 0.02 rad' in status.reason
    assert len(bench.sent) == 2
    assert_ends_at_rest(bench.sent[-1])


def test_parameters_change_while_it_runs(make):
    bench = make()
    full = len(bench.follow().points)
    assert bench.set('n_action_steps', 3).successful
    assert len(bench.follow().points) < full
    assert bench.set('n_action_steps', 8).successful
    assert bench.set('speed_scale', 0.5).successful
    assert len(bench.follow().points) > full
    bench.until(lambda: bench.status().speed_scale == 0.5)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('n_action_steps', -1),
        ('n_action_steps', 257),
        ('speed_scale', -0.1),
        ('speed_scale', 1.5),
        ('speed_scale', math.nan),
        ('lead_time', 0.0),
        ('max_tracking_error', -1.0),
        ('joint_names', ['a'] * 7),
        ('controller_name', 'other'),
    ],
)
def test_a_parameter_that_is_refused_is_named_and_changes_nothing(make, name, value):
    bench = make(ready=False)
    before = bench.core_node.get_parameter(name).value
    result = bench.set(name, value)
    assert not result.successful and name in result.reason
    assert bench.core_node.get_parameter(name).value == before


def test_joints_that_are_named_twice_are_refused_at_start(ros_context):
    with pytest.raises(ValueError, match='needs each joint of the arm once'):
        make_node(ros_context, joint_names=['a', 'a'])


def test_a_controller_of_another_name_gets_the_commands(make):
    bench = make(controller=False, controller_name='joint_trajectory_controller')
    bench.node.create_subscription(
        JointTrajectory, 'joint_trajectory_controller/joint_trajectory', bench._on_command, QOS
    )
    bench.until(bench.core_node._commands.get_subscription_count)
    bench.follow()


def test_deactivation_brakes_and_then_nothing_more_is_sent(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    bench.core_node.trigger_deactivate()
    bench.until(lambda: len(bench.sent) == 2)
    assert_ends_at_rest(bench.sent[-1])
    bench.until(lambda: bench.status().reason == 'the executor is not active')
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: any(r.message == 'not active' for r in bench.reports))
    assert len(bench.sent) == 2
    bench.core_node.trigger_activate()
    bench.until(lambda: bench.status().reason == 'waiting for a chunk')
    assert bench.follow() is not None


def test_before_activation_nothing_is_sent(make):
    bench = make(ready=False, autostart=False)
    bench.until(lambda: bench.core_node._core._measured.newest is not None)
    bench.chunks_out.publish(bench.chunk())
    seen = len(bench.reports)
    bench.until(lambda: len(bench.reports) > seen + 1)
    assert bench.reports[-1].message == 'not active'
    assert bench.reports[-1].level == DiagnosticStatus.WARN
    assert bench.sent == []


def test_destruction_brakes_a_moving_arm(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    sent = []
    publish = bench.core_node._commands.publish
    bench.core_node._commands.publish = lambda m, *a: (sent.append(m), publish(m, *a))
    bench.executor.remove_node(bench.core_node)
    bench.core_node.destroy_node()
    assert len(sent) == 1
    assert_ends_at_rest(sent[0])


def test_diagnostics_count_what_happened(make):
    bench = make()
    bench.follow()
    bench.refused(bench.chunk(0))
    bench.until(lambda: any(values(r)['chunks refused'] == '1' for r in bench.reports))
    bench.until(lambda: bench.reports[-1].message == bench.core_node._core.reason)
    assert bench.reports[-1].level == DiagnosticStatus.OK
    counts = values(bench.reports[-1])
    received, executed, late = (
        int(counts[f'chunks {key}']) for key in ('received', 'executed', 'late')
    )
    assert (received - late, executed) == (2, 1)
    assert counts['controllers listening'] == '1'
    bench.call('stop')
    bench.until(lambda: bench.reports[-1].level == DiagnosticStatus.WARN)
    assert bench.reports[-1].message == 'stopped by service'
    assert values(bench.reports[-1])['state'] == 'STOPPED'


def values(report):
    return {entry.key: entry.value for entry in report.values}


def test_a_clock_that_jumps_back_makes_it_begin_anew(make):
    bench = make(ready=False, use_sim_time=True)
    bench.alive = False
    clock = bench.node.create_publisher(Clock, '/clock', QOS)
    bench.until(clock.get_subscription_count)
    core, core_clock = bench.core_node._core, bench.core_node.get_clock()

    def set_clock(time_ns):
        clock.publish(Clock(clock=ns_to_time(time_ns)))
        bench.until(lambda: core_clock.now().nanoseconds == time_ns)

    for time_ns in (50 * NS, 10 * NS):
        set_clock(time_ns)
        assert core._measured.newest is None
        message = JointState(name=JOINTS, position=HOME.tolist())
        message.header.stamp = ns_to_time(time_ns)
        bench.joints_out.publish(message)
        now_ns = time_ns
        while core._measured.newest is None:
            now_ns += 20 * MS
            set_clock(now_ns)
        bench.follow(bench.chunk(now_ns))
        assert time_to_ns(bench.sent[-1].header.stamp) == now_ns + 300 * MS


def test_a_chunk_far_away_is_approached_and_the_status_says_how_far_and_why(make):
    bench = make()
    far = bench.chunk()
    for point in far.points:
        point.positions = (np.array(point.positions) + np.eye(7)[0]).tolist()
    sent = bench.follow(far)
    assert_ends_at_rest(sent)
    assert sent.points[-1].positions[0] > 0.9
    bench.until(lambda: bench.status().chunks_approached == 1)
    status = bench.status()
    assert (status.state, status.chunks_executed) == (ExecutorStatus.RUNNING, 0)
    assert status.deviation == pytest.approx(1.0, abs=0.3)
    assert 'it is too far away' in status.reason
    bench.until(lambda: bench.reports and 'off: it is too far' in bench.reports[-1].message)
    values = {each.key: each.value for each in bench.reports[-1].values}
    assert values['chunks approached'] == '1'


def test_an_arm_guided_to_its_limit_leaves_it_by_the_next_chunk(make):
    limit = FR3_LIMITS.upper[3] - 0.002
    begin = np.where(np.arange(7) == 3, limit, HOME)
    bench = make(ready=False)
    bench.reference = TrajectoryReference(JOINTS, begin)
    bench.until(lambda: bench.status().reason == 'waiting for a chunk')
    inwards = bench.chunk()
    for k, point in enumerate(inwards.points):
        point.positions = (begin - 0.02 * k * np.eye(7)[3]).tolist()
    bench.follow(inwards)
    bench.until_at_rest()
    assert bench.position()[3] < limit - 0.1
    assert judge(bench.commands()) == []
    assert bench.status().chunks_executed == 1
