# SPDX-License-Identifier: Apache-2.0
"""Motions that lead on from a state, follow points, and end at rest, inside the limits."""

from dp_ros.control.executor.fit import OF_POLICIES, Fit
from dp_ros.control.executor.motion import SpliceError, State
from dp_ros.control.executor.splice import brake, follow
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
from dp_ros.robot.units import NS
import numpy as np
import pytest

HOME = np.array([0.0, -0.78, 0.0, -2.36, 0.0, 1.57, 0.78])
ZERO = np.zeros(7)
REST = State(HOME, ZERO, ZERO)
MOVING = State(HOME, np.full(7, 0.4), np.linspace(-1.0, 1.0, 7))
TIMES = 0.04 + np.arange(8) * 0.1
START_NS = 1000 * NS


def path(start):
    """Points on the way that ``start`` takes, which from rest is a slow one."""
    t = TIMES[:, None]
    velocity = start.velocity if start is MOVING else 0.3 * np.linspace(-1.0, 1.0, 7)
    return start.position + t * velocity + t**2 / 2 * start.acceleration


def commanded(motion):
    """What the controller commands at 1 kHz, until the motion's end and a little longer."""
    joints = tuple('abcdefg')
    reference = TrajectoryReference(joints, motion.positions[0])
    reference.accept(
        Trajectory(
            joints,
            START_NS,
            motion.times,
            motion.positions,
            motion.velocities,
            motion.accelerations,
        ),
        START_NS,
    )
    milliseconds = np.arange(round(motion.times[-1] * 1000) + 50)
    return reference.sample(START_NS + milliseconds * (NS // 1000))


def assert_sound(motion, start):
    """C2 from the start, at rest at the end, and inside the limits between."""
    assert motion.times[0] == 0.0 and (np.diff(motion.times) > 0).all()
    values = (motion.positions, motion.velocities, motion.accelerations)
    for value, begin in zip(
        values, (start.position, start.velocity, start.acceleration), strict=True
    ):
        np.testing.assert_allclose(value[0], begin, atol=1e-9)
    assert (motion.velocities[-1] == 0).all() and (motion.accelerations[-1] == 0).all()
    position, velocity, acceleration = commanded(motion)
    assert FR3_LIMITS.violation(position, velocity, acceleration, share=0.95) is None
    assert np.abs(np.diff(velocity, axis=0)).max() < 0.011  # 10 rad/s² for 1 ms
    assert np.abs(np.diff(acceleration, axis=0)).max() < 2.5  # half of 5000 rad/s³ for 1 ms


@pytest.mark.parametrize('start', [REST, MOVING], ids=['from rest', 'moving'])
def test_points_in_reach_are_followed(start):
    motion = follow(start, TIMES, path(start), FR3_LIMITS)
    assert_sound(motion, start)
    reached = np.stack([commanded(motion)[0][round(t * 1000)] for t in TIMES])
    distance = np.abs(reached - path(start))
    assert distance[2:].max() < 0.01
    np.testing.assert_allclose(motion.deviation, distance.max(), atol=1e-4)


def test_the_controller_commands_constant_jerk_between_the_points():
    """A quintic through two neighbouring knots is the very cubic."""
    motion = follow(MOVING, TIMES, path(MOVING), FR3_LIMITS)
    acceleration = commanded(motion)[2]
    between = acceleration[1:40]
    np.testing.assert_allclose(np.diff(between, n=2, axis=0), 0.0, atol=1e-6)


def rms_jerk(motion):
    return np.sqrt((motion.jerks**2).mean())


@pytest.mark.parametrize('start', [REST, MOVING], ids=['from rest', 'moving'])
def test_jitter_of_a_chunk_is_smoothed_out(start):
    jitter = 0.005 * np.random.default_rng(0).normal(size=(len(TIMES), 7))
    through = follow(start, TIMES, path(start) + jitter, FR3_LIMITS)
    smooth = follow(start, TIMES, path(start) + jitter, FR3_LIMITS, smoothing=OF_POLICIES)
    assert_sound(smooth, start)
    assert rms_jerk(smooth) < rms_jerk(through) / 4
    assert smooth.distance(TIMES[2:], path(start)[2:]) < 0.05


def test_more_points_of_a_jagged_path_make_it_no_rougher():
    times = 0.02 * np.arange(1, 41)
    points = HOME + 0.2 * times[:, None] + 0.03 * np.random.default_rng(0).uniform(-1, 1, (40, 7))
    motion = follow(REST, times, points, FR3_LIMITS, smoothing=OF_POLICIES)
    assert_sound(motion, REST)
    assert not motion.approach
    assert rms_jerk(motion) < 20
    assert motion.positions.max(axis=0) == pytest.approx(HOME + 0.2, abs=0.16)


def test_a_motion_turns_gently_to_a_chunk_that_lies_beside_the_running_one():
    beside = path(MOVING) + 0.03
    squeezed = follow(MOVING, TIMES, beside, FR3_LIMITS)
    blended = follow(MOVING, TIMES, beside, FR3_LIMITS, smoothing=OF_POLICIES)
    assert rms_jerk(blended) < rms_jerk(squeezed) / 4
    assert blended.distance(TIMES[5:], beside[5:]) < 0.02


def test_smoothing_leads_no_further_from_a_fast_turn_than_a_bound():
    progress = np.clip(TIMES / 0.6, 0.0, 1.0)[:, None]
    turn = 0.3 * progress**3 * (10 - 15 * progress + 6 * progress**2)
    points = HOME + turn * np.array([0, 0, 0, 0, 0, 0, 1])
    motion = follow(REST, TIMES, points, FR3_LIMITS, smoothing=OF_POLICIES)
    assert motion.distance(TIMES[4:], points[4:]) <= 0.1


def test_what_is_too_far_to_be_followed_in_time_is_approached_with_and_without_smoothing():
    points = path(MOVING) + 0.5
    exact = follow(MOVING, TIMES, points, FR3_LIMITS)
    smooth = follow(MOVING, TIMES, points, FR3_LIMITS, smoothing=OF_POLICIES)
    assert exact.approach and smooth.approach
    np.testing.assert_array_equal(exact.positions, smooth.positions)


def test_without_points_a_fit_only_comes_to_rest():
    motion = Fit(MOVING, np.zeros(0), np.zeros((0, 7))).motion(0.4, 1.0)
    assert (motion.velocities[-1] == 0).all()


def test_it_comes_to_rest_soon_after_the_last_point():
    motion = follow(MOVING, TIMES, path(MOVING), FR3_LIMITS)
    assert TIMES[-1] < motion.times[-1] <= TIMES[-1] + 0.5
    position = commanded(motion)[0]
    assert np.abs(position[-1] - path(MOVING)[-1]).max() < 0.3


@pytest.mark.parametrize('jump', [0.3, 1.0, 3.0])
def test_points_too_far_to_reach_in_time_are_approached_inside_the_limits(jump):
    points = path(MOVING) + jump * np.array([1, 1, -1, 1, -1, 1, -1])
    motion = follow(MOVING, TIMES, points, FR3_LIMITS)
    assert_sound(motion, MOVING)


@pytest.mark.parametrize('late', [0.1, 0.2, 0.3])
def test_a_turn_joined_too_late_for_it_is_made_in_more_time(late):
    progress = np.clip((TIMES + late) / 1.2, 0.0, 1.0)[:, None]
    turn = progress**3 * (10 - 15 * progress + 6 * progress**2) * -1.6
    points = HOME + turn * np.array([0, 0, 0, 0, 0, 0, 1])
    motion = follow(REST, TIMES, points, FR3_LIMITS)
    assert_sound(motion, REST)
    assert motion.positions[-1, 6] < HOME[6] - 1.0


def test_points_outside_the_arms_reach_do_not_lead_out_of_it():
    for bound in (FR3_LIMITS.lower - 0.5, FR3_LIMITS.upper + 0.5):
        assert_sound(follow(REST, TIMES, np.tile(bound, (8, 1)), FR3_LIMITS), REST)


@pytest.mark.parametrize('times', [np.array([0.005]), np.array([0.005, 0.006, 3.0])])
def test_points_at_odd_times_are_followed(times):
    motion = follow(MOVING, times, np.tile(HOME, (len(times), 1)), FR3_LIMITS)
    assert_sound(motion, MOVING)


@pytest.mark.parametrize(
    'start',
    [
        REST,
        MOVING,
        State(HOME, np.full(7, -1.5), ZERO),
        State(HOME, ZERO, np.full(7, 8.0)),
        State(HOME, 0.5 * FR3_LIMITS.velocity, np.full(7, 5.0)),
    ],
    ids=['rest', 'moving', 'fast', 'accelerating', 'both'],
)
def test_braking_stops_soon(start):
    motion = brake(start, FR3_LIMITS)
    assert_sound(motion, start)
    assert motion.times[-1] <= 1.2


def test_braking_from_rest_stays_in_place():
    position = commanded(brake(REST, FR3_LIMITS))[0]
    np.testing.assert_allclose(position, np.tile(HOME, (len(position), 1)), atol=1e-9)


def test_a_state_that_is_none_is_refused_with_a_reason():
    start = State(HOME, np.full(7, np.nan), ZERO)
    with pytest.raises(SpliceError, match='no braking motion from velocity .*nan'):
        brake(start, FR3_LIMITS)


def test_points_far_in_the_future_are_refused_before_they_take_all_memory():
    with pytest.raises(SpliceError, match='points reach 1000000.0 s ahead: at most 60 s'):
        follow(REST, np.array([1e6]), HOME[None], FR3_LIMITS)
