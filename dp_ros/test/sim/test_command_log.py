# SPDX-License-Identifier: Apache-2.0
"""The command log loses no sample, and says so when it was not read in time."""

from dp_ros.sim.command_log import PERIOD_NS, CommandRecorder
import numpy as np
import pytest


def filled(batches, capacity=1000):
    recorder = CommandRecorder(5_000_000, capacity)
    for trajectory_id, length in enumerate(batches):
        rows = recorder.total + np.arange(length)
        positions = np.repeat(rows[:, None], 7, axis=1).astype(float)
        recorder.append(positions, positions + 0.5, trajectory_id)
    return recorder


def test_every_sample_comes_back_in_order():
    log = filled([3, 1, 10]).read()
    np.testing.assert_array_equal(log.positions[:, 0], np.arange(14))
    np.testing.assert_array_equal(log.measured[:, 6], np.arange(14) + 0.5)
    assert log.trajectory_ids.tolist() == [0] * 3 + [1] + [2] * 10
    assert log.stamp_ns == 5_000_000


def test_a_part_can_be_read():
    log = filled([10, 10]).read(start=8, max_samples=4)
    np.testing.assert_array_equal(log.positions[:, 0], [8, 9, 10, 11])
    assert log.stamp_ns == 5_000_000 + 8 * PERIOD_NS


def test_nothing_is_there_at_first_and_beyond_the_end():
    assert filled([]).read().positions.shape == (0, 7)
    assert len(filled([4]).read(start=9).trajectory_ids) == 0


def test_what_is_not_kept_any_more_is_refused():
    recorder = filled([10] * 10, capacity=25)
    assert (recorder.total, recorder.first) == (100, 70)
    np.testing.assert_array_equal(recorder.read(70).positions[:, 0], np.arange(70, 100))
    with pytest.raises(ValueError, match='samples before 70 are not kept'):
        recorder.read(0)
