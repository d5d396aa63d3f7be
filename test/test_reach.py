# SPDX-License-Identifier: Apache-2.0
"""The shipped policy through all nodes: the arm reaches its goal, and an FR3 would obey."""

from launched import evaluated


def test_the_arm_reaches_its_goal_past_the_obstacle(tmp_path):
    summary = evaluated(tmp_path, 'reach', 3)
    # One miss of three is forgiven, for the clock is real and the machine may be busy.
    assert summary['success_rate'] > 0.6, summary
    assert summary['judge_violations'] == 0, summary
    assert summary['chunks'] >= 3
    assert set(summary['peak_rss_mb']) == {'observation_aggregator', 'policy', 'executor'}
