# SPDX-License-Identifier: Apache-2.0
import json

from dp_ros.tools.common.episodes.summary import EpisodeResult, EpisodeTiming, Fault, summarize
from dp_ros.tools.common.statistics import wilson
import pytest


def episode(seed, *, success=True, side='left', collision=False):
    return EpisodeResult(seed, success, side, collision, 0.012, 4.0, 0)


def timing(*latencies, late=0, step=0.004):
    return EpisodeTiming(latencies, len(latencies), late, step)


@pytest.mark.parametrize(
    ('successes', 'trials', 'interval'),
    [  # Brown, Cai, DasGupta 2001 and R's binom.confint(method = 'wilson')
        (0, 10, (0.0, 0.2775)),
        (10, 10, (0.7225, 1.0)),
        (95, 100, (0.8882, 0.9785)),
    ],
)
def test_wilson_interval_is_the_published_one(successes, trials, interval):
    assert wilson(successes, trials) == pytest.approx(interval, abs=1e-4)


def test_without_trials_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)


def test_figures_come_from_the_episodes():
    episodes = [
        episode(0),
        episode(1, side='right'),
        episode(2, success=False, side='', collision=True),
        episode(3),
    ]
    timings = [timing(40.0, 60.0), timing(50.0, late=1), timing(), timing(70.0, step=0.01)]
    summary = summarize(episodes, timings, {'policy': 300.0})
    assert summary['success_rate'] == 0.75
    assert summary['sides'] == {'left': 2, 'right': 1}
    assert summary['collisions'] == 1
    assert (summary['chunks'], summary['late_chunks']) == (4, 1)
    assert summary['latency_ms']['p50'] == 55.0
    assert summary['max_velocity_step_rad_s'] == 0.01
    assert summary['peak_rss_mb'] == {'policy': 300.0}
    assert [e['seed'] for e in summary['episodes']] == [0, 1, 2, 3]


def test_a_run_without_chunks_has_no_latency():
    summary = summarize([episode(0)], [timing()], {})
    assert summary['latency_ms'] == {'p50': None, 'p95': None}
    assert summary['real_time_factor'] == 1.0


def test_faults_of_the_system_count_neither_for_nor_against_the_policy():
    faults = [Fault(1, 'no joint states'), Fault(1, 'no joint states'), Fault(2, 'a jump')]
    summary = summarize([episode(0), episode(2)], [timing(), timing()], {}, faults)
    assert summary['success_rate'] == 1.0
    assert summary['not_completed'] == [1]
    assert [fault['seed'] for fault in summary['faults']] == [1, 1, 2]
    json.dumps(summary, allow_nan=False)


def test_a_speed_that_is_not_known_is_left_out():
    timings = [EpisodeTiming((), 0, 0, 0.0, factor) for factor in (0.2, float('nan'), 0.4)]
    assert summarize([], timings, {})['real_time_factor'] == pytest.approx(0.3)
    assert summarize([], timings[1:2], {})['real_time_factor'] is None
