# SPDX-License-Identifier: Apache-2.0
"""What is worth a look in recorded episodes, and the verdict."""

from dataclasses import replace

from bag_maker import JOINTS, MS, spec
from dp_ros.data.inspection.episode_checks import check_episode
from dp_ros.data.inspection.figures import (
    CommandFigures,
    EpisodeFigures,
    Extreme,
    ImageFigures,
    JointFigures,
    JointSeries,
    StreamFigures,
)
from dp_ros.data.inspection.findings import Verdict, by_kind, judge
from dp_ros.data.inspection.set_checks import check_set, robust_scores
import numpy as np
import pytest

STREAM = StreamFigures(40, 10.0, Extreme(0.1), 0, 0, 0.001, (0.02, 0.03))
IMAGES = ImageFigures(0, 0.0, 0, Extreme(), 0.01)
MOTION = JointFigures(
    lowest=(-0.5, 0.0),
    highest=(0.5, 1.0),
    margin=(1.0, 0.5),
    speed=(0.4, 0.2),
    jumps=0,
    largest_jump=Extreme(),
    path=2.0,
    tcp_path=None,
    still_start=0.3,
    still_end=0.3,
)
SOUND = EpisodeFigures(
    'sound',
    1_000_000,
    duration=4.0,
    windows=39,
    sets=40,
    joint_names=JOINTS,
    streams={'joint_states': replace(STREAM, messages=400, rate=100.0), 'front': STREAM},
    images={'front': IMAGES},
    joints=MOTION,
    commands=CommandFigures(1, {}),
)


def stream(**changes):
    return {'streams': SOUND.streams | {'front': replace(STREAM, **changes)}}


def images(**changes):
    return {'images': {'front': replace(IMAGES, **changes)}}


def joints(**changes):
    return {'joints': replace(MOTION, **changes)}


def numbered(count, **changes):
    return [replace(SOUND, name=f'{index:03d}', **changes) for index in range(count)]


def kinds(findings):
    return [finding.kind for finding in findings]


def test_of_a_sound_episode_nothing_is_said():
    assert list(check_episode(SOUND, spec())) == []


@pytest.mark.parametrize(
    ('changes', 'kind', 'value'),
    [
        ({'skipped': 'no topic'}, 'left out: no topic', 'no topic'),
        ({'windows': 20, 'no_window': {'a gap': 20}}, 'windows lost', '20 of 40 images'),
        ({'refused': {'position is nan': 30}}, 'messages refused', '30 of 440 messages'),
        ({'info': {'messages_lost': '7'}}, 'messages lost', '7 messages'),
        (
            stream(largest_gap=Extreme(0.5, 1.2), dropped=4),
            'camera front: gap',
            '0.50 s from 1.20 s on, 4 messages missing',
        ),
        (stream(dropped=4), 'camera front: dropped', '4 messages are missing at 10 Hz'),
        (stream(disorder=2), 'camera front: disorder', '2 stamps'),
        (stream(jitter=0.04), 'camera front: jitter', '40 ms off their 100 ms'),
        (stream(latency=(0.3, 0.7)), 'camera front: late', '0.70 s after its stamp'),
        (stream(latency=(-0.4, 0.0)), 'camera front: ahead', '0.40 s before its stamp'),
        (images(black=1, black_at=2.0), 'camera front: black', 'first at 2.00 s'),
        (images(longest_freeze=Extreme(0.8, 1.0)), 'camera front: frozen', '0.80 s from 1.00 s'),
        (images(frozen=20), 'camera front: frozen', '20 of 40 images'),
        (joints(margin=(None, 0.02)), 'joint limit', 'fr3_joint2 is 0.020 rad from'),
        (joints(margin=(-0.1, 0.5)), 'joint limit', 'fr3_joint1 is 0.100 rad beyond'),
        (joints(jumps=2, largest_jump=Extreme(0.4, 2, 'j')), 'jump', 'j by 0.400 rad at 2.00 s'),
        (joints(still_start=2.5), 'still at the start', '2.5 s'),
        (joints(still_end=5.0), 'still at the end', '5.0 s'),
        ({'commands': CommandFigures(4, {'joints': 2})}, 'commands refused', '2 of 4 commands'),
        (
            {'commands': CommandFigures(1, {}, ahead=1e-5)},
            'commands repeat the arm',
            'the commands equal the positions that follow, within 0.000010 rad',
        ),
        (
            {'commands': CommandFigures(1, {}, Extreme(0.2, 3.0, 'j'))},
            'tracking error',
            'j is 0.200 rad from its command at 3.00 s',
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_value(changes, kind, value):
    (finding,) = check_episode(replace(SOUND, **changes), spec())
    assert (finding.kind, finding.episode) == (kind, 'sound')
    assert value in finding.what


def test_of_what_is_left_out_only_the_streams_are_looked_at():
    changes = stream(largest_gap=Extreme(0.5, 1.2)) | images(black=1) | joints(jumps=1)
    found = check_episode(replace(SOUND, skipped='failed', **changes), spec())
    assert kinds(found) == ['camera front: gap', 'left out: failed']


def test_a_gap_is_more_than_the_cameras_own_tolerance_allows():
    episode = replace(SOUND, **stream(largest_gap=Extreme(0.13, 1.2)))
    assert kinds(check_episode(episode, spec())) == []
    strict = spec(tolerance_ns={'front': 20 * MS})
    assert kinds(check_episode(episode, strict)) == ['camera front: gap']


def test_images_without_a_partner_of_another_camera():
    both = {
        'streams': SOUND.streams | {'wrist': STREAM},
        'images': {'front': IMAGES, 'wrist': IMAGES},
    }
    two = spec(image_sizes={'front': (16, 24), 'wrist': (16, 24)})
    found = check_episode(replace(SOUND, sets=20, windows=19, **both), two)
    assert [finding.what for finding in found] == [
        '20 of 40 images have none of each other camera within 20 ms'
    ]


def test_a_joint_of_another_arm_has_no_limit():
    assert list(check_episode(replace(SOUND, **joints(margin=(None, None))), spec())) == []


def test_of_many_sound_episodes_nothing_is_said():
    assert list(check_set(numbered(12))) == []


@pytest.mark.parametrize('used', [0, 1])
def test_too_few_episodes_are_not_trainable(used):
    episodes = [*numbered(used), EpisodeFigures('torn', 0, 'cut off')]
    findings = list(check_set(episodes))
    assert [finding.what for finding in findings] == [f'{used} of {used + 1} episodes can be used']
    assert judge(findings) == Verdict.NOT_TRAINABLE


def test_few_episodes_are_worth_a_look():
    findings = list(check_set(numbered(4)))
    assert kinds(findings) == ['episodes']
    assert judge(findings) == Verdict.LOOK


@pytest.mark.parametrize(
    ('changes', 'kind'),
    [
        ({'duration': 9.0}, 'duration'),
        (joints(path=5.0), 'path of the joints'),
        (joints(speed=(0.4, 2.0)), 'top speed'),
        (stream(rate=5.0), 'camera front: rate'),
        ({'commands': None}, 'no commands'),
    ],
)
def test_an_episode_unlike_the_others_is_named(changes, kind):
    odd = replace(SOUND, name='odd', **changes)
    (finding,) = check_set([*numbered(11), odd])
    assert (finding.kind, finding.episode) == (kind, 'odd')


def test_much_rest_before_the_motion_is_said_unless_training_leaves_it_out():
    idle = numbered(12, **joints(still_start=0.8))
    (finding,) = check_set(idle)
    assert finding.kind == 'idle starts' and '20% of all recorded time' in finding.what
    assert list(check_set([replace(each, idle=5) for each in idle])) == []


def test_a_rest_at_the_start_that_training_leaves_out_is_no_finding():
    assert list(check_episode(replace(SOUND, idle=9, **joints(still_start=2.5)), spec())) == []


def around(side, number):
    """Return an episode whose path bends by ``side`` [rad], roughly."""
    rng = np.random.default_rng(number)
    share = np.linspace(0, 1, 50)[:, None]
    bend = np.sin(np.pi * share) * (side + rng.normal(0, 0.03))
    positions = share * [1.0, 0.2] + bend * [0.0, 1.0] + rng.normal(0, 0.02, 2)
    motion = JointSeries(share[:, 0] * 4, positions, None, None)
    return replace(SOUND, name=f'{number:03d}', motion=motion)


@pytest.mark.parametrize(('rare', 'often'), [(1, 19), (3, 17)])
def test_few_demonstrations_of_one_way_are_named(rare, often):
    episodes = [around(-0.3, k) for k in range(rare)]
    episodes += [around(0.3, k) for k in range(rare, rare + often)]
    (finding,) = check_set(episodes)
    assert finding.kind == 'ways'
    assert f'{rare} of {rare + often} episodes go another way' in finding.what
    assert finding.what.endswith(', '.join(f'{k:03d}' for k in range(rare)))
    assert finding.advice.startswith(f'record about {10 - rare} more')


@pytest.mark.parametrize('sides', [[0.3, -0.3] * 10, [0.3] * 20, [0.0] * 5])
def test_one_way_or_two_equal_ones_are_no_finding(sides):
    found = check_set([around(side, k) for k, side in enumerate(sides)])
    assert 'ways' not in kinds(found)


def test_ways_that_spread_evenly_are_one():
    sides = np.linspace(-0.4, 0.4, 21)
    assert list(check_set([around(side, k) for k, side in enumerate(sides)])) == []


def test_without_any_commands_none_are_missed():
    assert list(check_set(numbered(12, commands=None))) == []


def test_what_training_leaves_out_is_not_compared():
    assert list(check_set([*numbered(11), replace(SOUND, duration=9.0, skipped='failed')])) == []


def test_a_joint_that_no_episode_moves():
    (finding,) = check_set(numbered(12, **joints(lowest=(-0.5, 0.5), highest=(0.5, 0.504))))
    assert finding.what == 'fr3_joint2: moves by 0.0040 in all episodes together'


def test_robust_scores_are_by_median_and_median_deviation():
    scores = robust_scores([9.0, 10.0, 11.0, 12.0, 30.0])
    assert scores[2] == 0
    assert scores[4] == pytest.approx(19 / 1.4826)


def test_equal_values_with_a_small_difference_have_no_outlier():
    assert max(robust_scores([10.0] * 8 + [10.5])) == pytest.approx(1.0)


def test_findings_of_a_kind_are_told_as_one_the_worst_first():
    episodes = [
        replace(SOUND, name=name, **stream(disorder=n)) for name, n in (('a', 1), ('b', 5))
    ]
    fatal = list(check_set(episodes[:1]))
    findings = [finding for each in episodes for finding in check_episode(each, spec())]
    groups = by_kind(findings + fatal)
    assert [[finding.episode for finding in group] for group in groups] == [[''], ['b', 'a']]
