# SPDX-License-Identifier: Apache-2.0
"""Several policies in the same scenes: pairs, groups, and what the report says."""

import json

from dp_ros.tools.common.episodes.comparison import (
    compare,
    describe_report,
    report,
    short,
    success_interval,
    undecided,
)
from dp_ros.tools.common.episodes.summary import (
    EpisodeResult,
    EpisodeTiming,
    Fault,
    summarize,
)
from dp_ros.tools.common.motion_figures import MotionFigures
from dp_ros.tools.common.statistics import anytime_interval
import pytest

PAIR_KEYS = {
    'pair',
    'scenes',
    'wins',
    'success_difference',
    'success_difference_95',
    'progress_difference',
    'progress_difference_95',
    'probability_first_better',
    'p_value',
    'p_value_needed',
    'better',
    'decided_after',
}
SMOOTH = MotionFigures(-2.0, -9.0, 3, 1.03, -1.7, -6.0, 1)


def episodes(successes, rerolls=1):
    """Return one episode per character of a text such as '110', scene by scene."""
    return [
        EpisodeResult(
            seed=index // rerolls,
            success=mark == '1',
            side='left',
            collision=mark == '0',
            final_distance_m=0.01,
            duration_s=4.0,
            judge_violations=0,
            smoothness=SMOOTH,
            side_flips=0,
            reroll=index % rerolls,
            progress=1.0 if mark == '1' else 0.5,
            failure='' if mark == '1' else 'collision',
        )
        for index, mark in enumerate(successes)
    ]


def reported(runs, faults=()):
    timings = EpisodeTiming((40.0, 60.0), 2, 0, 0.001)
    return report(
        runs,
        {name: summarize(each, [timings] * len(each), {}, faults) for name, each in runs.items()},
    )


def test_a_pair_is_compared_by_the_scenes_of_both():
    first, second = episodes('11' * 8), episodes('10' * 8)
    (found,) = compare({'good': first, 'bad': second[:-2]})
    assert set(found) == PAIR_KEYS
    assert (found['pair'], found['scenes'], found['wins']) == (['good', 'bad'], 14, [7, 0])
    assert found['success_difference'] == 0.5
    assert found['progress_difference'] == 0.25
    assert (found['better'], found['decided_after']) == (None, None)
    (found,) = compare({'bad': second, 'good': first})
    assert (found['better'], found['decided_after']) == ('good', 16)
    assert found['success_difference_95'][1] < 0
    assert found['p_value'] <= found['p_value_needed'] == 0.05
    assert found['probability_first_better'] < 0.01


def test_many_pairs_share_the_probability_of_an_error():
    good, bad = episodes('1' * 8), episodes('0' * 8)
    found = compare({'a': good, 'b': bad, 'c': good, 'd': good})
    assert len(found) == 6
    assert {each['p_value_needed'] for each in found} == {0.00833}
    assert not any(each['better'] for each in found)  # Alone, eight of eight would decide.


def test_runs_of_a_scene_are_one_piece_of_evidence():
    (found,) = compare({'a': episodes('1' * 12, 4), 'b': episodes('0' * 12, 4)})
    assert (found['scenes'], found['wins'], found['better']) == (3, [3, 0], None)
    half = episodes('1100' * 5, 4)
    (found,) = compare({'a': half, 'b': episodes('0' * 20, 4)})
    assert (found['success_difference'], found['wins']) == (0.5, [5, 0])
    assert success_interval(half) == pytest.approx(anytime_interval([0.5] * 5), abs=1e-4)


def test_policies_that_are_decided_need_no_more_episodes():
    runs = {name: episodes(mark * 30) for name, mark in (('a', '1'), ('b', '0'), ('c', '1'))}
    found = reported(runs)
    assert undecided(found['comparisons']) == {'a', 'c'}
    groups = {each['policy']: each['group'] for each in found['policies']}
    assert groups == {'a': 'a', 'b': 'b', 'c': 'a'}


def test_the_best_has_the_first_letter():
    runs = {'bad': episodes('0' * 30), 'good': episodes('1' * 30)}
    assert [each['group'] for each in reported(runs)['policies']] == ['b', 'a']


def test_a_report_is_json_with_an_entry_for_each_policy_and_pair():
    found = reported({name: episodes('10' * 5) for name in 'abc'})
    json.dumps(found, allow_nan=False)
    assert [each['policy'] for each in found['policies']] == ['a', 'b', 'c']
    pairs = [each['pair'] for each in found['comparisons']]
    assert pairs == [['a', 'b'], ['a', 'c'], ['b', 'c']]
    for each in found['policies']:
        assert each['success_rate'] == 0.5
        assert each['anytime_95'][0] < each['wilson_95'][0]
        assert each['anytime_95'][1] > each['wilson_95'][1]


def test_the_text_says_what_is_better():
    text = describe_report(reported({'bad': episodes('0' * 12), 'good': episodes('1' * 12)}))
    lines = text.splitlines()
    assert lines[0].split() == ['success', '%', '[95', '%]', 'progress', 'group']
    assert lines[1].split() == ['bad', '0.0', '[0,', '35]', '0.50', 'b']
    assert lines[2].split() == ['good', '100.0', '[65,', '100]', '1.00', 'a']
    cells = [line.split() for line in lines]
    assert ['bad', '12', '0', '0', '0'] in cells
    assert ['bad', '-9.0', '-2.00', '0.00', '0'] in cells
    assert ['bad', '50', '60', '0', '24', '1.00'] in cells
    assert 'good is better than bad (after 8 scenes)' in lines
    assert '    success -100 points [-100, -30], won 0 and lost 12 of 12 scenes' in lines
    assert 'decided at p ≤ 0.05.' in text


def test_the_text_says_what_is_not_decided():
    text = describe_report(reported({'a': episodes('1101'), 'b': episodes('1001')}))
    assert 'a or b: not decided after 4 scenes' in text
    assert 'success +25 points' in text


def test_no_line_is_wider_than_80_columns():
    names = (
        'a_policy_of_a_very_long_name/step_000100',
        'a_policy_of_a_very_long_name/step_000200',
    )
    runs = {name: episodes(mark * 150) for name, mark in zip(names, '10', strict=True)}
    faults = [Fault(seed, 'a jump') for seed in range(1000)]
    lines = describe_report(reported(runs, faults)).splitlines()
    assert max(map(len, lines)) <= 80
    assert any('step_000100' in line for line in lines)
    assert short('x' * 20) == 'x' * 20


def test_without_episodes_nothing_is_said_of_them():
    found = reported({'a': [], 'b': episodes('11')})
    json.dumps(found, allow_nan=False)
    text = describe_report(found)
    assert 'a or b: not decided after 0 scenes' in text
    assert 'points' not in text
