# SPDX-License-Identifier: Apache-2.0
"""The judge accepts what the robot accepts, and sees a jump."""

from dp_ros.sim.judge import boundary_velocity_steps, judge
from dp_ros.sim.world import READY
import numpy as np
import pytest


def smooth(n=2000, reach=0.3):
    s = np.linspace(0, 1, n)
    return READY + reach * (s**3 * (10 - 15 * s + 6 * s**2))[:, None]


def test_a_smooth_motion_passes():
    assert judge(smooth()) == []
    assert judge(np.zeros((0, 7))) == []


def test_a_step_is_found_where_it_is():
    positions = smooth()
    positions[900:, 3] += 0.01
    found = judge(positions)
    assert found
    assert found[0].sample == 900


def test_ten_hertz_hold_is_refused():
    positions = np.repeat(smooth()[::100], 100, axis=0)
    assert len(judge(positions)) > 10


def test_a_repeated_sample_is_refused():
    positions = smooth(reach=1.0)
    assert judge(np.insert(positions, 1000, positions[1000], axis=0))


def test_velocity_steps_are_those_at_boundaries_only():
    n = 300
    slow, fast = np.full(100, 0.1), np.full(100, 0.4)
    speeds = np.concatenate([slow, fast, slow])
    positions = np.cumsum(speeds)[:, None] * 0.001 * np.ones(7)
    ids = np.zeros(n, dtype=np.int64)
    ids[200:] = 1
    np.testing.assert_allclose(boundary_velocity_steps(positions, ids), [0.3], atol=1e-9)
    assert len(boundary_velocity_steps(positions, np.zeros(n, dtype=np.int64))) == 0


@pytest.mark.parametrize('boundary', [1, 2, 5, 8, 9])
def test_a_boundary_may_be_anywhere(boundary):
    positions = 1e-3 * np.cumsum(np.repeat([0.1, 0.4], 5))[:, None] * np.ones(7)
    ids = (np.arange(10) >= boundary).astype(np.int64)
    expected = 0.3 if abs(boundary - 5) <= 1 else 0.0
    np.testing.assert_allclose(boundary_velocity_steps(positions, ids), [expected], atol=1e-9)
