# SPDX-License-Identifier: Apache-2.0
"""Teleoperation through the executor, in simulated time: where the arm goes, and when it rests."""

from dataclasses import replace

from dp_ros.control.executor.chunk import Chunk
from dp_ros.control.executor.motion import State
from dp_ros.control.executor.workspace import Workspace
from dp_ros.control.teleop.inputs import InputRefused, TwistInput
from dp_ros.control.teleop.teleop import TeleopPlan
from dp_ros.robot.kinematics import JOINT_NAMES, forward, link_poses
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import NS
from dp_ros.sim.judge import judge
import numpy as np
import pytest
from teleop_loop import HOME, Loop

FORWARD = (0.15, 0.0, 0.0, 0.0, 0.0, 0.0)
REST = (0.0,) * 6
STILL = 1e-4  # [m/s]


def stick(*twist, in_tool=False):
    """Return what feeds the loop with one velocity."""
    return lambda source, now_ns: source.set(twist, in_tool, now_ns)


def make(**kwargs):
    return Loop(TwistInput(0.15, 0.6), **kwargs)


def speeds(commands):
    """TCP speeds (n - 1,) [m/s] of commands (n, 7) at 1 kHz."""
    return np.linalg.norm(np.diff(forward(commands), axis=0), axis=1) * 1e3


def test_the_tcp_goes_where_the_stick_points_and_stops_with_it():
    loop = make()
    commands = np.concatenate([loop.run(2.0, stick(*FORWARD)), loop.run(1.0, stick(*REST))])
    moved = forward(commands[-1]) - forward(HOME)
    assert moved[0] == pytest.approx(0.3, abs=0.01)
    assert np.abs(moved[1:]).max() < 0.005
    np.testing.assert_allclose(
        link_poses(commands[-1])[-1, :3, :3], link_poses(HOME)[-1, :3, :3], atol=0.005
    )
    assert speeds(commands).max() < 0.17
    assert speeds(commands)[-400:].max() < STILL
    assert not loop.refused and not judge(commands)


def test_the_arm_begins_within_150_ms_of_the_stick_and_rests_within_400():
    loop = make()
    loop.run(0.5, stick(*REST))
    begin = loop.run(1.0, stick(*FORWARD))
    assert np.argmax(np.abs(forward(begin) - forward(HOME)).max(axis=1) > 1e-3) < 150
    end = speeds(loop.run(1.0, stick(*REST)))
    assert end[:50].min() > 0.1 and end[400:].max() < 1e-3


def test_the_tools_own_directions():
    loop = make()
    commands = np.concatenate(
        [loop.run(1.0, stick(0, 0, 0.1, 0, 0, 0, in_tool=True)), loop.run(1.0, stick(*REST))]
    )
    along = link_poses(HOME)[-1, :3, 2]
    np.testing.assert_allclose(forward(commands[-1]) - forward(HOME), 0.1 * along, atol=0.005)


@pytest.mark.parametrize('axis', range(3))
def test_the_tool_turns_in_place(axis):
    loop = make()
    twist = np.zeros(6)
    twist[3 + axis] = 0.4
    commands = np.concatenate([loop.run(1.0, stick(*twist)), loop.run(1.0, stick(*REST))])
    turned = link_poses(commands[-1])[-1, :3, :3] @ link_poses(HOME)[-1, :3, :3].T
    assert np.arccos((np.trace(turned) - 1) / 2) == pytest.approx(0.4, abs=0.02)
    assert abs(turned[axis, axis] - 1) < 1e-3
    assert np.abs(forward(commands) - forward(HOME)).max() < 0.005


def test_wild_inputs_are_inside_the_limits_of_the_fr3():
    loop = make()
    rng = np.random.default_rng(0)
    twists = rng.uniform(-1, 1, (24, 6)) * np.repeat([0.3, 1.2], 3)
    for twist in twists:
        loop.run(0.25, stick(*twist))
    loop.run(1.0, stick(*REST))
    assert not loop.refused and not judge(np.array(loop.commanded))


def test_at_a_joint_limit_the_arm_stops_and_comes_back():
    loop = make()
    commands = loop.run(8.0, stick(0, 0, 0, 0, 0, 0.6))
    assert speeds(commands)[-500:].max() < 1e-3
    assert loop.obstacle == 'fr3_joint7 is at its limit'
    assert (FR3_LIMITS.lower < commands).all() and (commands < FR3_LIMITS.upper).all()
    back = loop.run(1.0, stick(0, 0, 0, 0, 0, -0.6))
    assert abs(back[-1][6] - commands[-1][6]) > 0.2
    assert not loop.obstacle and not judge(np.array(loop.commanded))


def test_an_arm_stretched_out_stays_calm_and_comes_back():
    loop = make()
    commands = loop.run(4.0, stick(0, 0, 0.15, 0, 0, 0))
    assert speeds(commands)[-500:].max() < 1e-2
    back = loop.run(2.0, stick(0, 0, -0.15, 0, 0, 0))
    assert forward(back[-1])[2] < forward(commands[-1])[2] - 0.1
    assert not judge(np.array(loop.commanded))


def test_without_further_inputs_the_arm_brakes():
    loop = make()
    loop.run(0.5, stick(*FORWARD))
    after = speeds(loop.run(2.0))
    assert after[100] > 0.1 and after[1000:].max() < STILL
    assert not judge(np.array(loop.commanded))


def test_when_teleoperation_dies_the_arm_brakes():
    loop = make()
    loop.run(0.5, stick(*FORWARD))
    loop._tick = lambda: None
    after = speeds(loop.run(2.0, stick(*FORWARD)))
    assert after[1500:].max() < STILL
    assert not judge(np.array(loop.commanded))


def test_a_velocity_that_is_not_finite_is_refused_and_the_arm_brakes():
    loop = make()
    loop.run(0.5, stick(*FORWARD))

    def nan(source, now_ns):
        with pytest.raises(InputRefused, match='velocity that is not finite'):
            source.set((0.1, np.nan, 0, 0, 0, 0), False, now_ns)

    assert speeds(loop.run(1.0, nan))[-300:].max() < STILL


def test_too_fast_a_velocity_is_slowed_in_its_direction():
    loop = make()
    commands = loop.run(1.0, stick(3.0, 3.0, 0, 0, 0, 0))
    moved = forward(commands[-1]) - forward(HOME)
    assert moved[0] == pytest.approx(moved[1], rel=0.05) and moved[0] > 0.05
    assert speeds(commands).max() < 0.17


def test_the_speed_scale_slows_the_stick():
    loop = make(speed_scale=0.5)
    commands = np.concatenate([loop.run(2.0, stick(*FORWARD)), loop.run(1.0, stick(*REST))])
    assert forward(commands[-1])[0] - forward(HOME)[0] == pytest.approx(0.15, abs=0.01)


def test_at_the_border_of_the_workspace_the_arm_rests_and_comes_back_at_once():
    loop = make()
    border = forward(HOME)[0] + 0.1
    workspace = Workspace((-1.0, -1.0, -1.0), (border, 1.0, 1.0))
    loop.executor.configure(replace(loop.executor.config, workspace=workspace), loop.now_ns)
    commands = loop.run(3.0, stick(*FORWARD))
    assert border - 0.02 < forward(commands[-1])[0] < border + 1e-6
    assert loop.obstacle == 'the executor holds it back'
    back = loop.run(0.6, stick(-0.15, 0, 0, 0, 0, 0))
    assert forward(back[-1])[0] < forward(commands[-1])[0] - 0.02
    assert not judge(np.array(loop.commanded))


def test_an_arm_that_does_not_follow_is_stopped_and_needs_the_stick_to_let_go():
    loop = make()
    loop.run(0.5, stick(*FORWARD))
    loop.stuck = loop.position
    loop.run(2.0, stick(*FORWARD))
    assert 'rad from where it is commanded' in loop.teleop.reason
    loop.reference, loop.stuck = TrajectoryReference(JOINT_NAMES, loop.stuck), None
    loop.executor.resume(loop.now_ns)
    n_chunks = len(loop.chunks)
    loop.run(0.5, stick(*FORWARD))
    assert len(loop.chunks) == n_chunks
    loop.run(0.1, stick(*REST))
    assert loop.teleop.reason == ''


def test_after_a_hold_the_stick_has_to_let_go_first():
    loop = make()
    loop.run(0.5, stick(*FORWARD))
    loop.teleop.hold('executor: paused')
    after = speeds(loop.run(1.0, stick(*FORWARD)))
    assert after[-300:].max() < STILL and loop.teleop.reason == 'executor: paused'
    loop.run(0.1, stick(*REST))
    assert speeds(loop.run(0.5, stick(*FORWARD))).max() > 0.1


def test_nothing_is_sent_while_nothing_is_wanted():
    loop = make()
    loop.run(1.0, stick(*REST))
    assert not loop.chunks


def test_an_arm_that_a_policy_moves_is_let_alone_until_the_stick_is_pushed():
    loop = make()
    loop.run(0.5, stick(*FORWARD))
    loop.run(1.5, stick(*REST))
    loop.chunks.clear()
    policy_moves(loop)
    begin = loop.position
    moved = speeds(loop.run(0.6, stick(*REST)))
    assert moved.max() > 0.05 and not loop.chunks
    commands = loop.run(1.0, stick(0, 0.15, 0, 0, 0, 0))
    assert len(loop.chunks) > 20 and not loop.refused
    assert forward(commands[-1])[1] - forward(begin)[1] > 0.08
    assert not judge(np.array(loop.commanded))


def policy_moves(loop):
    """Send the executor a chunk that moves every joint at 0.1 rad/s."""
    times = 0.1 * np.arange(1, 20)
    chunk = Chunk(loop.now_ns, JOINT_NAMES, times, loop.position + 0.1 * times[:, None])
    loop._accept(loop.executor.on_chunk(chunk, loop.now_ns))


def test_nothing_moves_without_joint_states():
    loop = make()
    loop.run(0.3, stick(*REST))
    loop.source.set(FORWARD, False, loop.now_ns)
    late_ns = loop.now_ns + NS
    assert loop.teleop.tick(loop.source.wish(HOME), late_ns, late_ns) is None
    assert loop.teleop.reason.startswith('no joint states for 1.')


def test_an_arm_that_was_moved_by_others_is_followed_from_where_it_is():
    loop = make()
    loop.run(0.5, stick(*FORWARD))
    loop.run(1.5, stick(*REST))
    elsewhere = HOME + 0.05
    loop.teleop.on_joints(loop.now_ns, elsewhere)
    loop.source.set(FORWARD, False, loop.now_ns)
    chunk = loop.teleop.tick(loop.source.wish(elsewhere), loop.now_ns, loop.now_ns)
    np.testing.assert_allclose(chunk.positions[0], elsewhere, atol=0.01)


def test_after_a_jump_of_the_clock_nothing_moves_by_what_was_said_before():
    loop = make()
    loop.run(0.5, stick(*FORWARD))
    loop.teleop.forget()
    earlier_ns = loop.now_ns - 60 * NS
    assert loop.teleop.tick(loop.source.wish(HOME), loop.source.stamp_ns, earlier_ns) is None
    loop.teleop.on_joints(earlier_ns, HOME)
    assert loop.teleop.tick(loop.source.wish(HOME), loop.source.stamp_ns, earlier_ns) is None


def test_fingers_are_in_the_chunk_beside_an_arm_at_rest():
    loop = make(fingers=('a', 'b'))
    loop.run(0.1, stick(*REST))
    loop.teleop.set_finger(0.02, loop.now_ns)
    commands = loop.run(1.0, stick(*REST))
    assert loop.chunks[0].joint_names == (*JOINT_NAMES, 'a', 'b')
    assert (loop.chunks[0].positions[:, 7:] == 0.02).all()
    np.testing.assert_allclose(commands[-1], HOME, atol=1e-6)
    assert not loop.refused and 5 <= len(loop.chunks) <= 20
    assert loop.executor.fingers is not None


def test_a_plan_is_of_constant_jerk_between_its_states_and_then_at_rest():
    values = np.array([[0.0, 0.0, 0.0], [1.0, 3.0, 6.0]])  # of t³, at 0 and 1 s
    plan = TeleopPlan(10 * NS, NS, tuple(State(*row[:, None]) for row in values))
    inside = plan.at(10 * NS + NS // 2)
    found = [inside.position[0], inside.velocity[0], inside.acceleration[0]]
    np.testing.assert_allclose(found, [0.125, 0.75, 3.0])
    assert plan.at(0).at_rest and plan.at(11 * NS).at_rest
    assert plan.at(11 * NS).position == 1.0
