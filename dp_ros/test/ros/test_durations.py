# SPDX-License-Identifier: Apache-2.0
"""Percentiles of durations on diagnostics."""

from dp_ros.ros.durations import Durations


def test_each_stage_has_its_percentiles():
    durations = Durations()
    assert durations.report() == {}
    for k in range(101):
        durations.add({'wait': k / 1000, 'inference': 0.5})
    assert durations.report() == {
        'wait [ms]': 'p50 50.0, p95 95.0, max 100.0',
        'inference [ms]': 'p50 500.0, p95 500.0, max 500.0',
    }


def test_only_the_last_ones_count():
    durations = Durations(kept=2)
    for seconds in (9.0, 1.0, 3.0):
        durations.add({'wait': seconds})
    assert durations.report() == {'wait [ms]': 'p50 2000.0, p95 2900.0, max 3000.0'}
