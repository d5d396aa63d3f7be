# SPDX-License-Identifier: Apache-2.0
"""The shipped policy with a gripper through all nodes: the cube comes into the bin."""

from launched import evaluated


def test_the_cube_comes_into_the_bin(tmp_path):
    summary = evaluated(tmp_path, 'pick_place', 2)
    # One miss of two is forgiven, for the clock is real and the machine may be busy.
    assert summary['success_rate'] >= 0.5, summary
    assert set(summary['sides']) <= {'side_faces', 'end_faces'}
    assert summary['judge_violations'] == 0, summary
