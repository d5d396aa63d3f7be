# SPDX-License-Identifier: Apache-2.0
"""Whose chunks are followed, and how others are named; no ROS, time as an argument."""

from dp_ros.control.executor.sources import (
    HOLD,
    POLICY,
    START,
    TELEOP,
    Sources,
    foreign_command,
    others,
    second_commander,
    second_source,
)
from dp_ros.robot.units import NS
import pytest

HOLD_NS = round(HOLD * NS)
TOPIC = '/arm/joint_trajectory'


@pytest.fixture(params=[100 * NS, 1_790_000_000 * NS])
def start(request):
    """Return a time near a simulation's start, and one of a real clock."""
    return request.param


def test_the_policy_alone_has_the_arm(start):
    sources = Sources()
    assert sources.owner == ''
    assert all(sources.admit(POLICY, start + k * NS) for k in range(3))
    assert (sources.owner, sources.left_out) == (POLICY, 0)


def test_a_person_takes_over_at_once_and_the_policy_goes_on_after_a_silence(start):
    sources = Sources()
    assert sources.admit(POLICY, start)
    assert sources.admit(TELEOP, start + 1)
    assert not sources.admit(POLICY, start + 2)
    assert sources.owner == TELEOP
    assert sources.admit(TELEOP, start + HOLD_NS)
    assert not sources.admit(POLICY, start + 2 * HOLD_NS - 1)
    assert sources.admit(POLICY, start + 2 * HOLD_NS)
    assert (sources.owner, sources.left_out) == (POLICY, 2)


def test_the_way_to_the_start_keeps_the_policy_off_until_it_lets_go(start):
    sources = Sources()
    assert sources.admit(POLICY, start)
    assert sources.admit(START, start + 1)
    assert not sources.admit(POLICY, start + 100 * HOLD_NS)
    sources.let_go()
    assert sources.admit(POLICY, start + 100 * HOLD_NS + 1)
    assert (sources.owner, sources.left_out) == (POLICY, 1)


def test_a_person_takes_the_arm_on_its_way_to_the_start(start):
    sources = Sources()
    assert sources.admit(START, start)
    assert sources.admit(TELEOP, start + 1)
    sources.let_go()
    assert sources.owner == TELEOP
    assert not sources.admit(POLICY, start + 2)
    assert sources.admit(POLICY, start + 1 + HOLD_NS)


def test_a_clock_that_was_set_back_does_not_keep_the_policy_off(start):
    sources = Sources()
    assert sources.admit(TELEOP, start)
    assert sources.admit(POLICY, start - 50 * NS)


@pytest.mark.parametrize(
    ('publishers', 'strangers'),
    [
        (['/executor'], []),
        (['/executor', '/expert'], ['/expert']),
        (['/executor', '/executor'], ['/executor']),
        (['/expert'], ['/expert']),
    ],
)
def test_everyone_but_oneself_is_a_stranger(publishers, strangers):
    assert others(publishers, '/executor') == strangers


def test_a_second_commander_is_named_with_what_to_do():
    assert second_commander(TOPIC, []) is None
    assert second_commander(TOPIC, ['/left/executor']) == (
        '/left/executor may command the arm too, on /arm/joint_trajectory: end it '
        '(one that was killed is forgotten within 20 s)'
    )


def test_one_source_of_chunks_is_none_too_many():
    assert second_source('/policy/chunk', []) is None
    assert second_source('/policy/chunk', ['/policy']) is None


@pytest.mark.parametrize(
    ('publishers', 'said'),
    [
        (['/policy', '/left/policy'], '/left/policy and /policy all publish on'),
        (['/policy', '/policy'], '2 × /policy all publish on'),
        (
            ['/policy', '_NODE_NAMESPACE_UNKNOWN_/_NODE_NAME_UNKNOWN_'],
            '/policy and a node without a name all publish on',
        ),
    ],
)
def test_two_sources_of_chunks_are_named(publishers, said):
    reason = second_source('/policy/chunk', publishers)
    assert reason.startswith(said) and 'end all but one' in reason


def test_who_commanded_the_arm_is_named_or_gone():
    assert foreign_command(TOPIC, ['/expert']).startswith('/expert commanded the arm on /arm/')
    assert foreign_command(TOPIC, []).startswith('a node that is gone already commanded the arm')
    assert 'call executor/resume when it rests' in foreign_command(TOPIC, [])
