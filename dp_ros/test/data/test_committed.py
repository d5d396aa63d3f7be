# SPDX-License-Identifier: Apache-2.0
"""What the arm will do until a chunk can join."""

from dp_ros.data.windows.committed import CommittedActions
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import MS
import numpy as np
import pytest

NAMES = ('a', 'b', 'finger')
T0 = 1_000_000 * MS


def moving(names=NAMES[:2], start_ns=T0, slope=1.0):
    """A trajectory of one second at constant speed."""
    times = np.linspace(0.1, 1.0, 10)
    positions = slope * np.stack([times] * len(names), axis=1)
    return Trajectory(names, start_ns, times, positions)


@pytest.fixture
def committed():
    made = CommittedActions(NAMES, 0.1)
    made.accept(T0, moving())
    made.accept(T0, moving(('finger',), slope=2.0))
    return made


def test_what_runs_is_sampled_up_to_the_join(committed):
    found = committed.until(T0 + 200 * MS, T0 + 550 * MS, 10)
    expected = np.arange(2, 6)[:, None] * [0.1, 0.1, 0.2]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert len(committed.until(T0 + 200 * MS, T0 + 500 * MS, 10)) == 4
    assert len(committed.until(T0 + 200 * MS, T0 + 499 * MS, 10)) == 3


def test_of_more_than_most_there_are_the_first(committed):
    found = committed.until(T0 + 200 * MS, T0 + 550 * MS, 2)
    np.testing.assert_allclose(found[:, 0], [0.2, 0.3], atol=1e-9)
    assert committed.until(T0 + 200 * MS, T0 + 550 * MS, 0).shape == (0, 3)
    assert committed.until(T0 + 200 * MS, T0 + 100 * MS, 5).shape == (0, 3)


def test_a_new_trajectory_counts_from_when_it_was_sent(committed):
    committed.accept(T0 + 400 * MS, moving(start_ns=T0 + 400 * MS, slope=-1.0))
    found = committed.until(T0 + 200 * MS, T0 + 600 * MS, 9)[:, 0]
    np.testing.assert_allclose(found[:2], [0.2, 0.3], atol=1e-9)
    assert found[-1] < found[2]


def test_nothing_is_committed_at_rest_or_while_a_joint_was_never_commanded(committed):
    assert len(committed.until(T0 + 1500 * MS, T0 + 1700 * MS, 9)) == 0
    assert len(committed.until(T0 - 500 * MS, T0 - 200 * MS, 9)) == 0
    committed.forget()
    committed.accept(T0, moving())
    assert len(committed.until(T0 + 200 * MS, T0 + 500 * MS, 9)) == 0


def test_a_trajectory_that_the_controller_rejects_commits_nothing(committed):
    wrong = moving(start_ns=T0 + 100 * MS)
    committed.accept(T0 + 100 * MS, moving(('other',)))
    committed.accept(T0 + 100 * MS, Trajectory(NAMES[:2], T0, wrong.times, wrong.positions[:0]))
    committed.accept(
        T0 + 100 * MS, Trajectory(NAMES[:2], T0, wrong.times, wrong.positions * np.nan)
    )
    found = committed.until(T0 + 200 * MS, T0 + 550 * MS, 10)
    np.testing.assert_allclose(found[:, 0], [0.2, 0.3, 0.4, 0.5], atol=1e-9)
