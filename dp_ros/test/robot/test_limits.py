# SPDX-License-Identifier: Apache-2.0
"""The arm's limits."""

from dp_ros.robot.limits import FR3_LIMITS
import numpy as np
import pytest

MIDDLE = (FR3_LIMITS.lower + FR3_LIMITS.upper) / 2
REST = np.zeros((1, 7))


def violation(position=MIDDLE, velocity=REST, acceleration=REST, **kwargs):
    return FR3_LIMITS.violation(
        np.atleast_2d(position), np.atleast_2d(velocity), np.atleast_2d(acceleration), **kwargs
    )


def test_in_the_middle_the_velocity_limits_are_the_joints_own():
    low, high = FR3_LIMITS.velocity_bounds(MIDDLE)
    np.testing.assert_array_equal(high, FR3_LIMITS.velocity)
    np.testing.assert_array_equal(low, -FR3_LIMITS.velocity)


def test_velocity_limits_shrink_towards_the_position_limits():
    room = np.array([0.0, 0.01, 0.05, 0.1])[:, None]
    low, high = FR3_LIMITS.velocity_bounds(FR3_LIMITS.upper - room)
    assert (high[0] == 0).all()
    assert (np.diff(high, axis=0) >= 0).all()
    np.testing.assert_array_equal(low, np.tile(-FR3_LIMITS.velocity, (4, 1)))
    low, _ = FR3_LIMITS.velocity_bounds(FR3_LIMITS.lower + room)
    np.testing.assert_allclose(low, -high)


def test_the_velocity_limit_is_libfrankas_formula():
    _, high = FR3_LIMITS.velocity_bounds(FR3_LIMITS.upper - 0.1)
    np.testing.assert_allclose(high[0], np.sqrt(2 * 6.0 * 0.1) - 0.30)
    np.testing.assert_allclose(high[1], np.sqrt(2 * 2.585 * 0.1) - 0.20)


def test_outside_the_position_limits_no_velocity_leads_further_out():
    low, high = FR3_LIMITS.velocity_bounds(np.stack([FR3_LIMITS.lower, FR3_LIMITS.upper]) * 2)
    assert (np.isfinite(low) & np.isfinite(high)).all()
    _, high = FR3_LIMITS.velocity_bounds(FR3_LIMITS.upper + 0.1)
    assert (high == 0).all()


def test_rest_in_the_middle_violates_nothing():
    assert violation() is None


@pytest.mark.parametrize('joint', range(7))
@pytest.mark.parametrize('sign', [-1, 1])
def test_each_limit_of_each_joint_is_named(joint, sign):
    one = sign * np.eye(7)[joint]
    position = MIDDLE + one * (FR3_LIMITS.upper - MIDDLE)
    velocity = 0.95 * one * FR3_LIMITS.velocity
    acceleration = 0.95 * one * FR3_LIMITS.acceleration
    assert violation(position).startswith(f'position of joint {joint + 1} would be ')
    assert violation(velocity=velocity).startswith(f'velocity of joint {joint + 1} would be ')
    assert violation(acceleration=acceleration).startswith(f'acceleration of joint {joint + 1} ')
    assert violation(velocity=velocity, acceleration=acceleration, share=0.96) is None


def test_one_sample_of_many_is_found():
    velocities = np.zeros((50, 7))
    velocities[31, 2] = 9.0
    text = violation(np.tile(MIDDLE, (50, 1)), velocities, np.zeros((50, 7)))
    assert text == 'velocity of joint 3 would be 9.000 rad/s'


@pytest.mark.parametrize('sign', [-1, 1])
def test_from_outside_a_motion_may_stay_and_come_in_and_gets_no_further_out(sign):
    limit = np.where(sign > 0, FR3_LIMITS.upper, FR3_LIMITS.lower)
    room = np.array([0.001, 0.001, 0.05])[:, None]
    inwards, rest = limit - sign * room, np.zeros((3, 7))
    assert violation(inwards, rest, rest).startswith('position of joint 1')
    assert violation(inwards, rest, rest, from_first=True) is None
    outwards = inwards[::-1]
    assert violation(outwards, rest, rest, from_first=True).startswith('position of joint 1')
    further = limit - sign * np.array([0.001, 0.0009])[:, None]
    assert violation(further, rest[:2], rest[:2], from_first=True).startswith('position')


def test_a_velocity_above_its_share_may_fall_and_stays_inside_the_whole_limit():
    speed = np.array([0.97, 0.97, 0.5])[:, None] * FR3_LIMITS.velocity
    middle, zero = np.tile(MIDDLE, (3, 1)), np.zeros((3, 7))
    assert violation(middle, speed, zero) is not None
    assert violation(middle, speed, zero, from_first=True) is None
    assert violation(middle, speed[::-1], zero, from_first=True) is not None
    near = middle.copy()
    near[1:] = FR3_LIMITS.upper - 0.1
    assert violation(near, speed, zero, from_first=True) is not None
