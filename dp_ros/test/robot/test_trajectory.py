# SPDX-License-Identifier: Apache-2.0
"""TrajectoryReference commands what Jazzy's joint_trajectory_controller would."""

from dp_ros.robot.trajectory import Trajectory, TrajectoryReference, TrajectoryRejected
from dp_ros.robot.units import MS, NS
import numpy as np
import pytest

JOINTS = ('a', 'b')
NOW = 5 * NS


@pytest.fixture
def reference():
    return TrajectoryReference(JOINTS, np.zeros(2))


def trajectory(times=(0.1, 0.2), start_ns=NOW, joint_names=JOINTS, **values):
    n_points = len(times)
    defaults = {'positions': np.linspace(0.1, 0.2, n_points)[:, None] * [1.0, -1.0]}
    return Trajectory(joint_names, start_ns, np.array(times), **(defaults | values))


def at(reference, seconds):
    return [value[0] for value in reference.sample(np.array([NOW + round(seconds * NS)]))]


def test_it_rests_where_it_is_before_the_first_trajectory(reference):
    for value in at(reference, -3.0) + at(reference, 3.0):
        assert (value == 0).all()
    assert reference.trajectory_id == 0


def test_positions_alone_are_joined_by_straight_lines(reference):
    positions = np.array([[0.1, 1.0], [0.3, 0.0]])
    reference.accept(trajectory(positions=positions), NOW)
    position, velocity, acceleration = at(reference, 0.05)
    np.testing.assert_allclose(position, [0.05, 0.5])
    np.testing.assert_allclose(velocity, [1.0, 10.0])
    np.testing.assert_allclose(at(reference, 0.15)[0], [0.2, 0.5])
    assert (acceleration == 0).all()


def test_velocities_make_cubics(reference):
    positions = np.array([[0.1, 0.0], [0.2, 0.0]])
    velocities = np.array([[2.0, -1.0], [0.0, 0.0]])
    reference.accept(trajectory(positions=positions, velocities=velocities), NOW)
    assert_polynomials_meet(reference, positions, velocities)
    np.testing.assert_allclose(at(reference, 0.15)[0], [0.15 + 0.025, -0.0125], atol=1e-12)
    third = np.diff(samples(reference, 0.101, 0.199)[0], n=4, axis=0)
    np.testing.assert_allclose(third, 0.0, atol=1e-13)


def test_accelerations_make_quintics(reference):
    positions = np.array([[0.1, 0.0], [0.2, 0.0]])
    velocities = np.array([[2.0, -1.0], [0.0, 0.0]])
    accelerations = np.array([[3.0, 4.0], [5.0, 0.0]])
    reference.accept(
        trajectory(
            (0.1, 0.2),
            NOW,
            JOINTS,
            positions=positions,
            velocities=velocities,
            accelerations=accelerations,
        ),
        NOW,
    )
    assert_polynomials_meet(reference, positions, velocities)
    np.testing.assert_allclose(at(reference, 0.1)[2], accelerations[0], atol=1e-9)
    np.testing.assert_allclose(at(reference, 0.2 - 1e-9)[2], accelerations[1], atol=1e-3)


def assert_polynomials_meet(reference, positions, velocities):
    for index, seconds in enumerate((0.1, 0.2)):
        for side in (-1e-9, 0.0):
            position, velocity, _ = at(reference, seconds + side)
            np.testing.assert_allclose(position, positions[index], atol=1e-7)
            np.testing.assert_allclose(velocity, velocities[index], atol=1e-5)


def samples(reference, start, end):
    return reference.sample(NOW + np.arange(round(start * 1000), round(end * 1000)) * MS)


def test_velocities_and_accelerations_are_the_derivatives(reference):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (3, 6, 2))
    values[1:, -1] = 0
    reference.accept(
        trajectory(
            np.arange(1, 7) * 0.1,
            NOW,
            JOINTS,
            positions=values[0],
            velocities=values[1],
            accelerations=values[2],
        ),
        NOW,
    )
    position, velocity, acceleration = samples(reference, 0.201, 0.299)
    for value, derivative in ((position, velocity), (velocity, acceleration)):
        slope = np.gradient(value, 1e-3, axis=0)
        np.testing.assert_allclose(slope[1:-1], derivative[1:-1], atol=1.0)


def test_it_rests_at_the_last_point(reference):
    reference.accept(trajectory(velocities=np.array([[1.0, 1.0], [0.0, 0.0]])), NOW)
    assert reference.end_ns == NOW + 200 * MS
    position, velocity, acceleration = at(reference, 5.0)
    np.testing.assert_allclose(position, [0.2, -0.2])
    assert (velocity == 0).all() and (acceleration == 0).all()


def test_a_new_trajectory_replaces_the_running_one_from_the_desired_state(reference):
    """Also a trajectory stamped in the future: what was sent before is given up at once."""
    full = {'velocities': np.zeros((2, 2)), 'accelerations': np.zeros((2, 2))}
    reference.accept(trajectory(**full), NOW)
    before = at(reference, 0.05)
    assert np.abs(before[1]).min() > 0.1
    late = trajectory((0.1, 0.2), NOW + 300 * MS, positions=np.full((2, 2), 0.7), **full)
    reference.accept(late, NOW + 50 * MS)
    assert reference.trajectory_id == 2
    for old, new in zip(before, at(reference, 0.05), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-9)
    assert np.abs(at(reference, 0.2)[0] - [0.2, -0.2]).min() > 1e-3
    np.testing.assert_allclose(at(reference, 0.4)[0], 0.7)


def test_points_that_have_passed_are_skipped_without_blending(reference):
    reference.accept(trajectory((0.1, 0.2, 0.3)), NOW + 250 * MS)
    np.testing.assert_allclose(at(reference, 0.25)[0], [0.175, -0.175])
    np.testing.assert_allclose(at(reference, 0.3)[0], [0.2, -0.2])


def test_a_stamp_of_zero_means_now(reference):
    reference.accept(trajectory(start_ns=0), NOW)
    np.testing.assert_allclose(at(reference, 0.1)[0], [0.1, -0.1])
    assert reference.end_ns == NOW + 200 * MS


def test_joints_may_come_in_another_order(reference):
    swapped = trajectory(
        joint_names=('b', 'a'),
        positions=np.array([[1.0, 2.0], [3.0, 4.0]]),
        velocities=np.array([[5.0, 6.0], [0.0, 0.0]]),
    )
    reference.accept(swapped, NOW)
    position, velocity, _ = at(reference, 0.1)
    np.testing.assert_allclose(position, [2.0, 1.0])
    np.testing.assert_allclose(velocity, [6.0, 5.0])


def test_many_times_at_once_are_sampled_as_one_by_one(reference):
    reference.accept(trajectory(velocities=np.array([[1.0, 1.0], [0.0, 0.0]])), NOW)
    times = np.random.default_rng(1).permutation(np.arange(-0.01, 0.3, 0.007))
    together = reference.sample(NOW + np.round(times * NS).astype(np.int64))
    alone = [at(reference, t) for t in times]
    for order in range(3):
        np.testing.assert_array_equal(together[order], [values[order] for values in alone])


NAN = np.array([[0.0, 0.0], [np.nan, 0.0]])


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'joint_names': ('a', 'c')}, r"joints \['a', 'c'\]: needs \['a', 'b'\]"),
        ({'joint_names': ('a',)}, 'needs'),
        ({'joint_names': ('a', 'a')}, 'needs'),
        ({'positions': None}, 'no positions'),
        ({'positions': np.zeros((2, 1))}, r'positions have shape \(2, 1\): needs \(2, 2\)'),
        ({'velocities': np.zeros((1, 2))}, 'velocities have shape'),
        ({'accelerations': np.zeros((2, 3))}, 'accelerations have shape'),
        ({'positions': NAN}, 'positions hold a value that is not finite'),
        ({'positions': np.full((2, 2), 1e300)}, r'positions hold 1e\+300: no joint does that'),
        ({'velocities': np.full((2, 2), np.inf)}, 'velocities hold a value that is not finite'),
        ({'accelerations': NAN}, 'accelerations hold a value that is not finite'),
        ({'times': ()}, 'no points'),
        ({'times': (0.1, 0.1)}, 'does not increase strictly'),
        ({'times': (0.2, 0.1)}, 'does not increase strictly'),
        ({'times': (-0.1, 0.1)}, 'does not increase strictly'),
        ({'times': (0.1, np.nan)}, 'does not increase strictly'),
        ({'start_ns': NOW - 300 * MS}, 'ended 0.100 s ago'),
        ({'velocities': np.full((2, 2), 0.1)}, 'velocity at the last point'),
    ],
)
def test_a_trajectory_that_is_rejected_leaves_the_running_one(reference, changes, reason):
    reference.accept(trajectory(), NOW)
    before = samples(reference, 0.0, 0.3)
    with pytest.raises(TrajectoryRejected, match=reason):
        reference.accept(trajectory(**changes), NOW)
    np.testing.assert_array_equal(samples(reference, 0.0, 0.3), before)
    assert reference.trajectory_id == 1
