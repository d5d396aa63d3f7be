# SPDX-License-Identifier: Apache-2.0
"""Chunks that cannot be followed as asked: from a joint's limit, far away, too fast, too many.

Whatever is sent is what a real FR3 accepts, and says what it is.
"""

from dp_ros.control.executor.chunk_executor import Phase
from dp_ros.control.executor.motion import SpliceError, State
from dp_ros.control.executor.pace import Caution, Ramp
from dp_ros.control.executor.planner import AS_ASKED, Planner
from dp_ros.control.executor.splice import Effort, follow
from dp_ros.control.executor.workspace import Workspace
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.kinematics import forward
from dp_ros.robot.limits import FR3_LIMITS
from fake_arm import HOME, START, TIMES, Arm
import numpy as np
import pytest

JOINTS = np.eye(7)
SIDES = [(joint, sign) for joint in range(7) for sign in (-1, 1)]


def at_limit(joint, sign, share):
    """Return a pose whose joint rests at a share of its range from its limit."""
    limits = FR3_LIMITS
    limit = (limits.upper if sign > 0 else limits.lower)[joint]
    pose = HOME.copy()
    pose[joint] = limit - sign * share * (limits.upper - limits.lower)[joint]
    return pose


@pytest.mark.parametrize(('joint', 'sign'), SIDES)
@pytest.mark.parametrize('share', [0.004, 0.0, -0.0005])
def test_an_arm_that_rests_near_a_limit_may_leave_it(joint, sign, share):
    begin = at_limit(joint, sign, share)
    arm = Arm(begin).run(0.1)
    arm.follow(positions=begin - 0.2 * sign * TIMES[:, None] * JOINTS[joint])
    assert arm.core.reason == 'following a chunk'
    arm.run(1.5)
    commands = arm.assert_accepted()[:, joint]
    assert sign * (begin[joint] - commands[-1]) > 0.1
    assert (sign * (commands - begin[joint])).max() < 1e-9, 'it went further out'
    assert (arm.core.counts.executed, arm.core.counts.approached) == (1, 0)


@pytest.mark.parametrize(('joint', 'sign'), SIDES)
@pytest.mark.parametrize('share', [0.004, 0.0])
def test_an_arm_that_rests_near_a_limit_goes_no_further_and_says_so(joint, sign, share):
    begin = at_limit(joint, sign, share)
    arm = Arm(begin).run(0.1)
    other = JOINTS[(joint + 1) % 7]
    further = 0.2 * TIMES[:, None] * (sign * JOINTS[joint] + other)
    arm.follow(positions=begin + further)
    assert arm.core.reason == (
        f'following a chunk, 0.2 rad off: it leads beyond the limit of joint {joint + 1}'
    )
    arm.run(1.5)
    commands = arm.assert_accepted()
    assert np.ptp(commands[:, joint]) == 0
    assert commands[-1] @ other > begin @ other + 0.1, 'the other joints are followed'
    assert (arm.core.counts.executed, arm.core.counts.approached) == (0, 1)


def test_an_arm_that_rests_near_a_limit_stays_when_it_is_asked_to():
    begin = at_limit(3, 1, 0.003)
    arm = Arm(begin).run(0.1)
    arm.follow(positions=np.tile(begin, (15, 1)))
    assert arm.core.reason == 'following a chunk'
    arm.run(1.5)
    assert np.ptp(arm.assert_accepted(), axis=0).max() == 0


@pytest.mark.parametrize('distance', [0.5, 1.0, 2.0])
def test_a_chunk_far_away_is_approached_and_reached(distance):
    """It lies still there, as that of a policy that knows no way to it."""
    target = HOME + distance * np.array([1, 0.3, -0.5, 0.2, 1, 0.5, -1])
    arm = Arm().run(0.1)
    away = np.abs(target - HOME).max()
    arm.follow(positions=np.tile(target, (15, 1)))
    assert arm.core.phase is Phase.RUNNING
    assert arm.core.reason.startswith(f'approaching a chunk, {away:.1f} rad off: it is too far')
    assert arm.core.deviation == pytest.approx(away, abs=0.2)
    for _ in range(20):
        arm.run(0.3)
        arm.follow(positions=np.tile(target, (15, 1)))
    assert arm.core.reason == 'following a chunk'
    assert arm.core.deviation < AS_ASKED
    arm.run(2.0)
    arm.assert_accepted()
    arm.assert_at_rest()
    np.testing.assert_allclose(arm.state()[0], target, atol=0.01)
    counts = arm.core.counts
    assert counts.approached >= 2 and counts.executed >= 2
    assert counts.approached + counts.executed == counts.received == 21


def test_one_far_chunk_is_followed_to_its_end_in_its_order():
    path = HOME + 0.8 * JOINTS[0] + 0.2 * TIMES[:, None] * JOINTS[1]
    arm = Arm(n_action_steps=15).run(0.1)
    arm.follow(positions=path)
    arm.run(6.0)
    commands = arm.assert_accepted()
    arm.assert_at_rest()
    np.testing.assert_allclose(commands[-1], path[-1], atol=0.1)  # and its braking tail
    there = np.flatnonzero(commands[:, 0] > HOME[0] + 0.7)[0]
    assert commands[there, 1] < HOME[1] + 0.1, 'it came in by the first points'


@pytest.mark.parametrize('speed', [1.0, 0.3, 0.1, 0.05])
def test_an_approach_keeps_to_the_speed_that_is_set(speed):
    arm = Arm(speed_scale=speed).run(0.1)
    arm.follow(positions=np.tile(HOME + 1.5 * JOINTS[0], (15, 1)))
    assert 'approaching' in arm.core.reason
    arm.run(3.0)
    fastest = np.abs(np.diff(arm.assert_accepted(), axis=0)).max() / 1e-3
    assert 0.3 * speed < fastest < 1.1 * speed
    arm.run(9.0)
    arm.assert_at_rest()


def test_what_is_sent_under_the_name_of_following_moves():
    """From rest and in motion, near and far: no chunk that asks for motion is answered by none."""
    rng = np.random.default_rng(0)
    arm = Arm().run(0.1)
    for _ in range(60):
        far = rng.uniform(FR3_LIMITS.lower, FR3_LIMITS.upper)
        target = arm.state()[0] + rng.choice([0.2, 0.5, 1.0]) * (far - arm.state()[0])
        sent = arm.follow(positions=np.tile(target, (15, 1)))
        target = np.clip(target, *FR3_LIMITS.range())
        nearer = np.abs(target - sent.positions[0]) - np.abs(target - sent.positions[-1])
        assert nearer.max() > 0.02
        arm.run(float(rng.choice([0.1, 0.7])))
    arm.run(6.0)
    arm.assert_accepted()
    arm.assert_at_rest()


@pytest.mark.parametrize('velocity', [-0.5, 0.2, 0.5])
@pytest.mark.parametrize('speed', [0.01, 0.1])
def test_a_slow_approach_of_an_arm_in_motion_ends_soon(velocity, speed):
    start = State(HOME, np.full(7, velocity), np.zeros(7))
    motion = follow(start, TIMES[1:9], np.tile(HOME + 0.5, (8, 1)), FR3_LIMITS, speed)
    assert motion.approach
    assert motion.times[-1] < 10
    assert np.abs(motion.positions - HOME).max() < 0.5 + 0.1


def test_a_state_from_which_no_motion_leads_on_is_refused_by_name():
    begin = at_limit(1, 1, 0.001)
    start = State(begin, 2.0 * JOINTS[1], np.zeros(7))
    with pytest.raises(SpliceError, match='no approach inside the limits from velocity .* 2.0'):
        follow(start, TIMES[1:9], np.tile(begin + 1, (8, 1)), FR3_LIMITS)


# ---- what a plan may cost


def hard_chunks(n_points, seed=0):
    """Yield times and points at random, up to 2 rad away and up to 60 s ahead."""
    rng = np.random.default_rng(seed)
    for span in (0.5, 6.0, 25.0, 59.0):
        times = 0.04 + np.linspace(0, span, n_points)
        yield times, HOME + rng.uniform(-2, 2, 7) + rng.uniform(-2, 2, (n_points, 7))
        yield times, HOME + np.cumsum(rng.normal(0, 0.02, (n_points, 7)), axis=0)


@pytest.mark.parametrize('n_points', [8, 256])
@pytest.mark.parametrize('border', [None, 0.02, 0.2])
def test_a_plan_costs_little_whatever_the_chunk(n_points, border, monkeypatch):
    """Counted in knots, as a clock would measure the machine."""
    spent = []
    monkeypatch.setattr(
        'dp_ros.control.executor.planner.Effort', lambda: spent.append(Effort()) or spent[-1]
    )
    box = None
    if border is not None:
        box = Workspace(tuple(forward(HOME) - border), tuple(forward(HOME) + border))
    planner = Planner(FR3, Caution(FR3_LIMITS), box)
    begin = State(HOME, np.zeros(7), np.zeros(7))
    for times, points in hard_chunks(n_points):
        try:
            plan = planner.plan(begin, times, points, Ramp(START, 1.0, 1.0, 0.0), START)
        except ValueError as refused:
            assert 'workspace' in str(refused)
        else:
            assert len(plan.motion.times) <= 200
        assert spent[-1].knots > -200


def test_a_long_slow_chunk_is_followed_with_knots_further_apart():
    times = np.linspace(0.5, 40, 80)
    points = HOME + 0.5 * np.sin(0.2 * times)[:, None] * np.ones(7)
    motion = follow(State(HOME, np.zeros(7), np.zeros(7)), times, points, FR3_LIMITS)
    assert motion.deviation < 0.02 and not motion.approach
    assert len(motion.times) <= 161
