# SPDX-License-Identifier: Apache-2.0
"""How fast a path is followed: a slow start, a live speed scale, caution near joint limits."""

from dp_ros.control.executor.pace import CREEP, FALL, REST, Caution, Ramp, paced
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.units import NS
from fake_arm import HOME, MS, TIMES, Arm
import numpy as np
import pytest

BEGIN = 1_790_000_000 * NS + 123_456_789


def integral(ramp, from_ns, to_ns):
    """Integrate the scale, known by its definition, over time in steps of 0.1 ms."""
    times = (np.arange(from_ns, to_ns, MS // 10) + MS // 20 - ramp.begin_ns) / NS
    change = ramp.target - ramp.low
    share = np.clip(times / (ramp.duration * abs(change)), 0, 1)
    return (ramp.low + change * share).sum() * 1e-4


@pytest.mark.parametrize(('low', 'target', 'duration'), [(0, 1, 1.5), (1, 0.2, 0.3), (0.5, 1, 4)])
@pytest.mark.parametrize('after', [0, 0.2, 3.0])
def test_points_are_due_when_the_integral_of_the_scale_reaches_them(low, target, duration, after):
    ramp = Ramp(BEGIN, low, target, duration)
    from_ns = BEGIN + round(after * NS)
    times = np.array([1e-3, 0.1, 0.5, 2.0])
    due = ramp.due(times, from_ns)
    for time, seconds in zip(times, due, strict=True):
        to_ns = from_ns + round(seconds * NS)
        assert integral(ramp, from_ns, to_ns) == pytest.approx(time, abs=2e-4)
        assert ramp.done(from_ns, to_ns) == pytest.approx(time, abs=1e-6)


def test_before_a_ramp_begins_its_first_scale_was_in_force():
    assert Ramp(BEGIN, 0.4, 1.0, 1.0).done(BEGIN - NS, BEGIN) == pytest.approx(0.4)


def test_the_scale_rises_slowly_falls_quickly_and_never_jumps():
    rising = REST.towards(1.0, BEGIN, rise=2.0)
    falling = rising.towards(0.1, BEGIN + NS, rise=2.0)
    assert (falling.low, falling.duration) == (pytest.approx(0.5), FALL)
    again = falling.towards(1.0, BEGIN + 9 * NS, rise=2.0)
    assert (again.low, again.duration) == (pytest.approx(0.1), 2.0)
    assert again.towards(1.0, BEGIN + 10 * NS, rise=2.0) is again


def test_a_point_beyond_the_horizon_is_replaced_by_one_at_the_horizon():
    due, reached = paced(np.array([0.5, 1.0, 2.0]), Ramp(BEGIN, 0.1, 0.1, 1.0), BEGIN, 8.0)
    np.testing.assert_allclose(due, [5.0, 8.0])
    np.testing.assert_allclose(reached, [0.5, 0.8])


def test_within_the_margin_of_a_limit_the_speed_falls_linearly_to_a_fifth():
    caution = Caution(FR3_LIMITS, margin=0.2)
    positions = np.tile(HOME, (5, 1))
    positions[:, 3] = FR3_LIMITS.upper[3] - [0.4, 0.2, 0.1, 0.0, -0.1]
    half = (1 + CREEP) / 2
    np.testing.assert_allclose(caution.factor(positions), [1, 1, half, CREEP, CREEP])
    np.testing.assert_array_equal(Caution(FR3_LIMITS).factor(positions), np.ones(5))


def speeds(arm):
    """Return the speed of joint 1, one per millisecond [rad/s]."""
    return np.diff(arm.assert_accepted()[:, 0]) / 1e-3


def led(arm, n_chunks=6):
    """Follow chunks of 0.2 rad/s, one every half second."""
    for _ in range(n_chunks):
        arm.follow()
        arm.run(0.5)
    return arm


def test_after_a_start_the_speed_rises_over_the_slow_start_time():
    arm = led(Arm(slow_start_time=2.0).run(0.1))
    begin = 460  # 0.1 s, the lead, and the time that the controller has to settle.
    speed = speeds(arm)
    assert np.abs(speed[:begin]).max() == 0
    for seconds in (0.5, 1.0, 1.5):
        assert speed[begin + round(1e3 * seconds)] == pytest.approx(0.1 * seconds, abs=0.03)
    assert speed[-100:] == pytest.approx(0.2, abs=0.01)


def test_a_start_stays_gentle_when_the_controller_holds_the_arm_off_from_where_it_is_measured():
    """As effort controllers do; without time to settle its bridge is more than an FR3 takes."""
    arm = Arm(slow_start_time=1.0).run(0.1)
    arm.tracking_error = 0.02
    arm.run(0.1)
    arm.core.resume(arm.now)
    arm.tracking_error = 0.0
    assert np.abs(speeds(led(arm))).max() < 0.25
    hasty = Arm().run(0.1)
    hasty.tracking_error = 0.02
    hasty.run(0.1)
    hasty.core.resume(hasty.now)
    hasty.tracking_error = 0.0
    with pytest.raises(AssertionError):
        speeds(led(hasty))


def test_a_tracking_error_makes_no_chunk_step_back():
    """Chunks join what is commanded, not what is measured."""
    arm = Arm().run(0.1)
    arm.follow()
    arm.run(0.4)
    arm.tracking_error = -0.02
    arm.run(0.1)
    for _ in range(6):
        arm.follow()
        arm.run(0.3)
    assert speeds(arm)[500:].min() > 0.15


def test_a_lower_speed_takes_hold_with_the_next_chunk_and_never_turns_the_arm_back():
    arm = led(Arm(slow_start_time=1.0).run(0.1))
    arm.configure(speed_scale=0.1)
    led(arm, 4)
    assert speeds(arm)[-2000:].min() > -1e-3
    assert speeds(arm)[-1000:].mean() == pytest.approx(0.02, abs=0.003)


def test_speed_zero_brakes_at_once_and_a_speed_above_starts_slowly():
    arm = led(Arm(slow_start_time=1.0).run(0.1))
    assert arm.configure(speed_scale=0.0) is not None
    assert arm.core.reason == 'speed_scale is 0'
    arm.run(0.6)
    arm.assert_at_rest()
    assert arm.follow() is None
    arm.configure(speed_scale=1.0)
    arm.run(0.02)
    led(arm, 1)
    assert 0.005 < speeds(arm)[-1] < 0.15


def test_at_rest_nothing_is_ever_due():
    assert REST.due(np.array([0.1, 1.0]), BEGIN).tolist() == [np.inf, np.inf]
    assert REST.done(BEGIN - NS, BEGIN) == 0.0
    due, reached = paced(np.array([0.1, 1.0]), REST, BEGIN, horizon=5.0)
    assert (due.tolist(), reached.tolist()) == ([5.0], [0.0])


def test_points_before_the_scale_falls_to_zero_are_due_and_the_others_never():
    due = Ramp(BEGIN, 1.0, 0.0, 0.4).due(np.array([0.1, 0.19, 0.3]), BEGIN)
    np.testing.assert_allclose(due[:2], 0.4 - np.sqrt([0.08, 0.008]))
    assert due[2] == np.inf


def test_a_scale_that_was_constant_for_days_is_as_exact_as_at_its_begin():
    times = np.array([0.1, 0.2])
    ramp = Ramp(BEGIN, 0.0, 1.0, 1.0)
    later = BEGIN + 30 * 24 * 3600 * NS
    assert ramp.due(times, later).tolist() == times.tolist()
    assert ramp.done(later, later + NS // 10) == 0.1


def test_a_dry_run_at_speed_zero_checks_chunks():
    arm = Arm(execute=False, speed_scale=0.0).run(0.1)
    assert arm.follow() is None
    assert arm.core.counts.checked == 1


@pytest.mark.parametrize('scale', [1e-3, 1e-6])
def test_the_slowest_speeds_hardly_move_the_arm(scale):
    arm = led(Arm(speed_scale=scale).run(0.1), 4)
    assert 0 <= arm.state()[0][0] - HOME[0] < 0.2 * scale * 2.1
    speeds(arm)


def test_a_joint_creeps_into_its_limit_and_a_real_arm_accepts_it():
    begin = HOME.copy()
    begin[3] = FR3_LIMITS.upper[3] - 0.3
    arms = [Arm(begin, limit_margin=margin).run(0.1) for margin in (0.2, 0.0)]
    for arm in arms:
        for _ in range(8):
            positions = arm.state()[0] + 0.2 * TIMES[:, None] * np.eye(7)[3]
            arm.follow(positions=positions)
            arm.run(0.4)
    for arm, slower in zip(arms, (0.5, 1.0), strict=True):
        joint = arm.assert_accepted()[:, 3]
        speed, room = np.diff(joint) / 1e-3, FR3_LIMITS.upper[3] - joint[:-1]
        there = (room > 0.06) & (room < 0.1)
        assert speed[there].mean() == pytest.approx(0.2 * slower, abs=0.02)
        assert room.min() < 0.03, 'it comes near the limit all the same'


@pytest.mark.parametrize('late', [0.1, 0.4])
def test_an_arm_at_rest_does_not_hurry_after_the_points_that_passed_while_it_waited(late):
    prompt, slow = Arm().run(0.1), Arm().run(0.1)
    chunk = slow.chunk()
    slow.run(late)
    for arm in (prompt, slow):
        arm.send(arm.core.on_chunk(chunk, arm.now))
        arm.run(0.8)
    np.testing.assert_allclose(speeds(slow)[-850:], speeds(prompt)[-850:], atol=1e-3)
