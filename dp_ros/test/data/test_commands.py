# SPDX-License-Identifier: Apache-2.0
"""What joints were commanded, now and before."""

from dp_ros.data.windows.commands import CommandHistory
from dp_ros.robot.trajectory import Trajectory, TrajectoryRejected
import numpy as np
import pytest

S = 1_000_000_000
NAMES = ('a', 'b', 'finger')
HERE = np.array([0.1, 0.2, 0.03])


def to(point, names=('a', 'b')):
    """Go to a point, to be reached a second after it is received, and stay there."""
    return Trajectory(names, 0, np.array([1.0, 2.0]), np.array([point, point]))


def sample(history, *seconds):
    times = np.round(np.array(seconds) * S).astype(np.int64)
    return history.sample(times, np.tile(HERE, (len(times), 1)))


def test_what_is_measured_stands_for_it_until_something_is_commanded():
    history = CommandHistory(NAMES)
    history.accept(5 * S, to([1.1, 0.2]), HERE)
    expected = [HERE, HERE, [0.6, 0.2, 0.03], [1.1, 0.2, 0.03]]
    np.testing.assert_allclose(sample(history, 1.0, 4.9, 5.5, 9.0), expected)


def test_a_replaced_trajectory_is_still_known_and_the_next_leads_on_from_it():
    history = CommandHistory(NAMES)
    history.accept(5 * S, to([1.1, 0.2]), HERE)
    history.accept(round(5.5 * S), to([0.0, 0.2]), HERE)
    np.testing.assert_allclose(sample(history, 5.25, 5.5, 6.0, 7.0)[:, 0], [0.35, 0.6, 0.3, 0.0])


def test_arm_and_gripper_are_commanded_beside_each_other():
    history = CommandHistory(NAMES)
    history.accept(5 * S, to([1.1, 0.2]), HERE)
    history.accept(6 * S, to([0.0], ('finger',)), HERE)
    np.testing.assert_allclose(sample(history, 6.5), [[1.1, 0.2, 0.015]])


def test_joints_that_nobody_observes_are_left_out_whatever_the_order():
    history = CommandHistory(NAMES)
    history.accept(5 * S, to([7.0, 0.2, 1.1], ('other', 'b', 'a')), HERE)
    np.testing.assert_allclose(sample(history, 9.0), [[1.1, 0.2, 0.03]])


def test_what_the_controller_rejects_changes_nothing():
    history = CommandHistory(NAMES)
    with pytest.raises(TrajectoryRejected, match='not finite'):
        history.accept(5 * S, to([np.nan, 0.2]), HERE)
    with pytest.raises(TrajectoryRejected, match=r"\['x'\]: none of those that are observed"):
        history.accept(5 * S, to([1.0], ('x',)), HERE)
    np.testing.assert_array_equal(sample(history, 9.0), [HERE])


def test_only_what_is_older_than_it_is_kept_is_forgotten():
    history = CommandHistory(NAMES, keep_ns=2 * S)
    for second in range(5, 10):
        history.accept(second * S, to([second, 0.2]), HERE)
    np.testing.assert_allclose(sample(history, 8.0, 7.0)[:, 0], [7.0, 6.0])
    np.testing.assert_array_equal(sample(history, 5.9), [HERE])
    history.forget()
    np.testing.assert_array_equal(sample(history, 9.0), [HERE])
