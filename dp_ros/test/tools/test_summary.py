# SPDX-License-Identifier: Apache-2.0
import json

from dp_ros.tools.common.episodes.misses import kind_of_miss, why_missed
from dp_ros.tools.common.episodes.summary import (
    EpisodeResult,
    EpisodeTiming,
    Fault,
    describe,
    summarize,
)
from dp_ros.tools.common.motion_figures import MotionFigures
from dp_ros_msgs.msg import EpisodeStatus
from geometry_msgs.msg import Point, Pose
import pytest


def episode(seed, *, success=True, side='left', collision=False):
    return EpisodeResult(seed, success, side, collision, 0.012, 4.0, 0)


def timing(*latencies, late=0, step=0.004):
    return EpisodeTiming(latencies, len(latencies), late, step)


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


def smooth(ldlj, peaks):
    return MotionFigures(-2.0, ldlj, peaks, 1.03, -1.7, -6.0, 1)


def test_smoothness_is_the_median_of_the_episodes_that_have_it():
    motions = [smooth(-9.0, 3), smooth(-7.0, 1), None, smooth(-8.0, 2)]
    episodes = [
        EpisodeResult(seed, True, 'left', False, 0.01, 4.0, 0, '', motion, flips)
        for seed, (motion, flips) in enumerate(zip(motions, [1, 0, None, 0], strict=True))
    ]
    summary = summarize(episodes, [timing()] * 4, {})
    assert summary['smoothness']['ldlj'] == -8.0
    assert summary['smoothness']['speed_peaks'] == 2.0
    assert summary['side_flips'] == pytest.approx(1 / 3, abs=1e-3)
    assert [e['smoothness'] is None for e in summary['episodes']] == [False, False, True, False]
    text = describe(summary)
    assert 'log jerk -8.0 (expert -6.0), SPARC -2.00 (-1.70)' in text
    assert "speed peaks   2 (expert 1), on a path of 1.03 times the expert's length" in text
    assert 'side flips    0.33 per episode' in text
    json.dumps(summary, allow_nan=False)


def test_without_an_expert_no_smoothness_is_told():
    summary = summarize([episode(0)], [timing()], {})
    assert set(summary['smoothness'].values()) == {None}
    assert summary['side_flips'] is None
    assert 'smoothness' not in describe(summary)


def test_every_miss_is_told_in_a_line():
    missed = EpisodeResult(7, False, '', True, 0.2, 4.0, 0, 'collision with table')
    text = describe(summarize([episode(0), missed, missed], [timing()] * 3, {}))
    assert text.count('seed 7: collision with table') == 2
    assert 'seed 0' not in text


def test_many_misses_are_counted():
    missed = EpisodeResult(7, False, '', True, 0.2, 4.0, 0, 'collision with table')
    text = describe(summarize([missed] * 12, [timing()] * 12, {}))
    assert text.count('seed 7: collision with table') == 10
    assert 'and 2 more, in the JSON' in text


@pytest.mark.parametrize(
    ('fields', 'height', 'kind', 'reason'),
    [
        ({'state': EpisodeStatus.SUCCESS}, None, '', ''),
        (
            {'state': EpisodeStatus.COLLISION, 'collision_with': 'bin'},
            None,
            'collision',
            'collision with bin, 120 mm from the goal',
        ),
        (
            {'state': EpisodeStatus.FAILURE},
            0.0,
            'dropped',
            'cube out of reach, 120 mm from the goal',
        ),
        ({'state': EpisodeStatus.RUNNING}, None, 'time', 'not done in 15 s: 120 mm from the goal'),
        (
            {'state': EpisodeStatus.RUNNING},
            0.02,
            'time',
            'not done in 15 s: cube never lifted, 120 mm from the goal',
        ),
        (
            {'state': EpisodeStatus.RUNNING, 'side': 'end_faces'},
            0.02,
            'dropped',
            'not done in 15 s: cube put down or dropped, 120 mm from the goal',
        ),
        (
            {'state': EpisodeStatus.RUNNING, 'side': 'end_faces'},
            0.15,
            'time',
            'not done in 15 s: cube held, 120 mm from the goal',
        ),
    ],
)
def test_a_miss_has_a_kind_and_a_reason(fields, height, kind, reason):
    status = EpisodeStatus(distance=0.12, **fields)
    if height is not None:
        status.object_names = ['cube']
        status.objects = [Pose(position=Point(z=height))]
    assert why_missed(status, 15.0) == reason
    assert kind_of_miss(status) == kind


def test_progress_and_kinds_of_failures_are_counted():
    episodes = [
        EpisodeResult(0, True, 'left', False, 0.01, 4.0, 0, progress=1.0),
        EpisodeResult(1, False, '', True, 0.1, 2.0, 0, progress=0.25, failure='collision'),
        EpisodeResult(2, False, '', False, 0.1, 15.0, 0, progress=0.4, failure='time'),
    ]
    summary = summarize(episodes, [timing()] * 3, {}, [Fault(3, 'a jump')])
    assert summary['progress'] == 0.55
    assert summary['failures'] == {'collision': 1, 'time': 1, 'dropped': 0, 'system': 1}
    text = describe(summary)
    assert 'progress      0.550 of the task on average' in text
    assert 'failures      1 collision, 1 time\n' in text
    unknown = summarize([episode(0)], [timing()], {})
    assert unknown['progress'] is None
    assert 'progress' not in describe(unknown) and 'failures' not in describe(unknown)


def test_both_ways_count_only_where_both_succeed_in_one_scene():
    runs = [(0, 'left', True), (0, 'right', True), (1, 'left', True), (1, 'right', False)]
    episodes = [
        EpisodeResult(seed, success, side, not success, 0.01, 4.0, 0, reroll=k % 2)
        for k, (seed, side, success) in enumerate(runs)
    ]
    summary = summarize(episodes, [timing()] * 4, {}, [Fault(1, 'a jump', 2)])
    assert summary['rerolls'] == {'runs': 2, 'scenes': 2, 'both_ways': 1}
    assert summary['not_completed'] == [1]
    assert summarize([episode(0), episode(1)], [timing()] * 2, {})['rerolls'] is None
