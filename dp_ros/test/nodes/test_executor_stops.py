# SPDX-License-Identifier: Apache-2.0
"""The executor's stops as a user meets them: services, a gamepad, parameters, wrong settings."""

import math
import threading

from dp_ros.control.executor.chunk_executor import Request
from dp_ros.nodes.executor.node import ExecutorNode
from dp_ros.robot.kinematics import FINGER_NAMES, forward
from dp_ros.ros.conversions import time_to_ns
from dp_ros.sim.judge import judge
from dp_ros.tools.record_expert.child_nodes import ChildNodes
from dp_ros_msgs.msg import ExecutorStatus
from executor_bench import CALM, HOME, JOINTS, MS, QOS, assert_ends_at_rest, benches, make_node
import numpy as np
import pytest
from rclpy.exceptions import ParameterException
from rclpy.parameter import Parameter
from sensor_msgs.msg import Joy
from trajectory_msgs.msg import JointTrajectory

FINGERS = list(FINGER_NAMES)


@pytest.fixture
def make(ros_context):
    with benches(ros_context) as make_bench:
        yield make_bench


def test_a_dry_run_sends_nothing_until_it_is_enabled(make):
    bench = make(ready=False, execute=False)
    bench.until_state(ExecutorStatus.SHADOW)
    bench.until(lambda: bench.core_node._core._measured.newest is not None)
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.status().chunks_checked == 1)
    assert bench.sent == [] and bench.status().chunks_executed == 0
    assert list(bench.status().inhibited_by) == ['execute']
    answer = bench.call('enable')
    assert answer.success and bench.core_node.get_parameter('execute').value is True
    bench.follow()
    bench.until_moving()
    answer = bench.call('disable')
    assert (answer.success, answer.message[:11]) == (True, 'shadow mode')
    bench.until(lambda: len(bench.sent) == 2)
    assert_ends_at_rest(bench.sent[-1])


def test_an_emergency_stop_holds_until_it_is_reset(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    assert bench.call('estop').success
    bench.until(lambda: len(bench.sent) == 2)
    bench.until_at_rest()
    bench.core_node.trigger_deactivate()
    bench.core_node.trigger_activate()
    bench.until(lambda: bench.core_node._core._measured.newest is not None)
    answer = bench.call('resume')
    assert (answer.success, answer.message) == (False, 'emergency stop: call ~/reset')
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.status().chunks_received == 1)
    assert len(bench.sent) == 2
    answer = bench.call('reset')
    assert answer.success
    assert answer.message == 'the emergency stop was reset: call ~/resume to move'
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.status().chunks_received == 2)
    assert len(bench.sent) == 2, 'a reset alone moves nothing'
    assert bench.call('resume').success
    bench.follow()


def test_reset_without_an_emergency_stop_changes_nothing(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    assert bench.call('reset').success
    assert bench.status().inhibited_by == [] and len(bench.sent) == 1


def jump(bench):
    """Let one joint state say that the arm is elsewhere, and then no more come."""
    bench.alive = False
    bench.joints(bench.position() + 0.5)
    bench.until(lambda: 'stop' in bench.status().inhibited_by)


@pytest.mark.parametrize(
    'stop', ['estop', 'pause', 'disable', 'deactivate', 'destroy', 'speed_scale', 'jump']
)
def test_every_stop_brakes_an_arm_that_moves_although_it_is_held(make, stop):
    bench = make(slow_start_time=0.0)
    bench.follow()
    bench.until_moving()
    bench.core_node._core.interlocks.set('stop', 'a reason that did not brake')
    bench.core_node._core.tick = lambda now_ns: None  # So that the stop alone is seen.
    bench.until(lambda: bench.status().moving and bench.status().inhibited_by)
    if stop == 'deactivate':
        bench.core_node.trigger_deactivate()
    elif stop == 'destroy':
        bench.core_node._halt()
    elif stop == 'speed_scale':
        bench.set('speed_scale', 0.0)
    elif stop == 'jump':
        jump(bench)
    else:
        assert bench.call(stop).success
    bench.until(lambda: len(bench.sent) == 2)
    assert_ends_at_rest(bench.sent[-1])
    bench.until(lambda: not bench.status().moving)
    assert len(bench.sent) == 2


def test_a_jump_of_the_joint_states_brakes_and_the_next_stop_finds_an_arm_at_rest(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    jump(bench)
    bench.until(lambda: len(bench.sent) == 2)
    assert_ends_at_rest(bench.sent[-1])
    bench.until_at_rest()
    assert bench.call('estop').success
    assert len(bench.sent) == 2


def test_a_stop_is_served_while_a_chunk_is_being_planned(make, monkeypatch):
    """Planning that does not end until the stop has braked."""
    bench = make()
    bench.follow()
    bench.until_moving()
    planning, stopped = threading.Event(), threading.Event()
    plan = Request.plan

    def slow(request):
        planning.set()
        assert stopped.wait(30)
        return plan(request)

    monkeypatch.setattr(Request, 'plan', slow)
    bench.chunks_out.publish(bench.chunk())
    bench.until(planning.is_set)
    assert bench.call('estop').success
    bench.until(lambda: len(bench.sent) == 2)
    assert_ends_at_rest(bench.sent[-1])
    warnings = bench.texts(monkeypatch)
    stopped.set()
    bench.until(lambda: warnings)
    assert warnings == ['chunk refused: the arm was stopped while the chunk was planned']
    assert len(bench.sent) == 2


def test_of_the_chunks_that_come_while_one_is_planned_the_newest_is_followed(make, monkeypatch):
    bench = make()
    node, released, planned = bench.core_node, threading.Event(), []
    plan = Request.plan

    def slow(request):
        planned.append(request.chunk.stamp_ns)
        assert released.wait(30)
        return plan(request)

    monkeypatch.setattr(Request, 'plan', slow)
    stamps = [bench.now_ns() - back * MS for back in (30, 20, 10)]
    for stamp_ns in stamps:
        node._on_chunk(bench.chunk(stamp_ns))
    assert (node._core.counts.received, node._core.counts.late) == (2, 1)
    released.set()
    bench.until(lambda: len(planned) == 2)
    assert planned == [stamps[0], stamps[2]]


def test_every_stop_and_start_through_the_node_is_one_that_a_real_arm_accepts(make):
    """With a lead time that outlasts a busy machine."""
    bench = make(lead_time=0.5, slow_start_time=0.3)
    for stop, start in (('pause', 'resume'), ('estop', 'reset'), ('disable', 'enable')):
        bench.follow()
        bench.until_moving()
        assert bench.call(stop).success
        bench.until_at_rest()
        assert bench.call(start).success
        if start == 'reset':
            assert bench.call('resume').success
    bench.follow()
    bench.until_moving()
    bench.set('speed_scale', 0.0)
    bench.until_at_rest()
    commands = bench.commands()
    assert np.ptp(commands, axis=0).min() > 0.01
    assert judge(commands) == []


def test_when_the_executor_is_killed_the_arm_comes_to_rest(make, domain_id, tmp_path, monkeypatch):
    bench = make(ready=False, autostart=False)
    # Its own node commands nothing, and must not look as if it could.
    bench.core_node.destroy_publisher(bench.core_node._commands._publisher)
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id))
    parameters = CALM | {'lead_time': 0.5}
    with ChildNodes({'executor': parameters}, tmp_path / 'said.txt') as children:
        bench.until(lambda: bench.chunks_out.get_subscription_count() == 2)
        bench.until(lambda: 'waiting for a chunk' in (tmp_path / 'said.txt').read_text())
        bench.follow()
        bench.until_moving()
        children._processes['executor'].kill()
        children._processes['executor'].wait()
    bench.until(lambda: bench.now_ns() > bench.reference.end_ns)
    assert len(bench.sent) == 1
    assert np.abs(bench.state()[1:]).max() == 0
    assert judge(bench.commands()) == []


class Gamepad:
    """Publishes whether button 4 is down, or nothing, as often as joy_node does."""

    def __init__(self, bench):
        self.down = None
        self._out = bench.node.create_publisher(Joy, 'joy', QOS)
        bench.until(self._out.get_subscription_count)
        bench.node.create_timer(0.05, self._publish)

    def _publish(self):
        if self.down is not None:
            self._out.publish(Joy(buttons=[0, 0, 0, 0, int(self.down), 0]))


def test_the_arm_moves_while_the_button_is_held(make):
    values = {'deadman_button': 4, 'deadman_timeout': 1.0, 'lead_time': 0.08}
    values['n_action_steps'] = 14  # The arm moves for longer than the time-out.
    bench = make(ready=False, **values)
    gamepad = Gamepad(bench)
    bench.until(lambda: 'nothing on joy' in bench.status().reason)
    gamepad.down = False
    bench.until(lambda: bench.status().reason == 'hold button 4 of joy to move')
    gamepad.down = True
    bench.until(lambda: bench.status().reason == 'waiting for a chunk')
    for down, reason in ((False, 'hold button 4'), (None, 'nothing on joy for more than 1.0 s')):
        gamepad.down = True
        bench.until(lambda: not bench.status().inhibited_by)
        bench.follow()
        bench.until_moving()
        sent = len(bench.sent)
        gamepad.down = down
        bench.until(lambda why=reason: why in bench.status().reason)
        bench.until(lambda before=sent: len(bench.sent) > before)
        assert len(bench.sent) == sent + 1
        assert_ends_at_rest(bench.sent[-1])
        assert list(bench.status().inhibited_by) == ['deadman']
        bench.until_at_rest()


def test_fingers_go_to_the_gripper_with_the_arms_times(make):
    bench = make(gripper_joint_names=FINGERS, speed_scale=0.5)
    targets = []
    bench.node.create_subscription(JointTrajectory, 'gripper/target', targets.append, QOS)
    bench.until(bench.core_node._fingers.get_subscription_count)
    chunk = bench.chunk()
    chunk.joint_names = [*JOINTS, *FINGERS]
    for point in chunk.points:
        point.positions = [*point.positions, 0.03, 0.03]
    sent = bench.follow(chunk)
    assert sent.joint_names == JOINTS
    bench.until(lambda: targets)
    assert targets[0].joint_names == FINGERS
    assert targets[0].header.stamp == sent.header.stamp
    assert targets[0].points[1].positions.tolist() == [0.03, 0.03]
    steps = [time_to_ns(point.time_from_start) for point in targets[0].points]
    np.testing.assert_allclose(np.diff(steps), 400 * MS, atol=MS)


def test_a_start_outside_the_workspace_is_named_and_nothing_moves(make, monkeypatch):
    bench = make(workspace_high=(forward(HOME) - 0.02).tolist())
    warnings = bench.texts(monkeypatch)
    bench.refused(bench.chunk())
    assert 'is outside the workspace, beyond x = ' in warnings[0]
    assert bench.sent == []


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'workspace_low': [0.5, 0.0, 0.0], 'workspace_high': [0.2, 1.0, 1.0]}, 'in x: needs'),
        ({'workspace_low': [math.nan, 0.0, 0.0]}, 'workspace_low = .*finite'),
        ({'workspace_low': [0.0, 0.0]}, 'each needs x, y and z'),
        ({'slow_start_time': math.nan}, 'slow_start_time'),
        ({'limit_margin': math.inf}, 'limit_margin'),
        ({'deadman_timeout': math.nan, 'deadman_button': 4}, 'deadman_timeout'),
        ({'deadman_button': 4, 'lead_time': 0.2}, 'lead_time = 0.2 s: needs at most 0.08 s'),
        ({'gripper_joint_names': JOINTS[:1]}, 'gripper_joint_names = .* joints of the arm'),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_start(ros_context, changes, reason):
    with pytest.raises((ValueError, ParameterException), match=reason):
        make_node(ros_context, **changes)


def test_a_workspace_that_is_turned_inside_out_while_it_runs_is_refused(make):
    bench = make(ready=False)
    result = bench.set('workspace_low', [2.0, -1.5, -1.5])
    assert not result.successful and 'workspace_low is 2.0 m and workspace_high 1.5 m' in (
        result.reason
    )
    assert bench.set('workspace_low', [0.0, -0.5, 0.0]).successful


def test_joint_states_of_another_prefix_are_named_with_a_hint(make, monkeypatch):
    bench = make(ready=False)
    warnings = bench.texts(monkeypatch)
    bench.alive = False
    bench.core_node._core.forget()
    bench.joints(HOME, names=[f'left_{name}' for name in JOINTS])
    bench.until(lambda: warnings)
    assert 'is fr3_joint1 the same as left_fr3_joint1? Then set joint_names' in warnings[0]
    bench.refused(bench.chunk())


def test_in_another_namespace_than_the_robot_it_names_the_topic_that_nobody_publishes(ros_context):
    overrides = [Parameter('autostart', value=False)]
    node = ExecutorNode(context=ros_context, namespace='left', parameter_overrides=overrides)
    said = node._summary()
    node.destroy_node()
    assert said.endswith('waiting for joint states on /left/joint_states (0 publishers)')
