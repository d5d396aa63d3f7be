# SPDX-License-Identifier: Apache-2.0
"""The loop without ROS: it runs a policy as the nodes do, and the same again."""

from pathlib import Path

from dp_ros.policy.checkpoint import load_policy
from dp_ros.sim.scenarios.pick_place.scenario import PICK_PLACE
from dp_ros.tools.common.closed_loop import ClosedLoop
from dp_ros.values import ConfigError
import numpy as np
import pytest
import tiny_policy

MODELS = Path(__file__).parents[3] / 'models'
MODEL = MODELS / 'reach'


@pytest.fixture(scope='module')
def loop():
    made = ClosedLoop(load_policy(MODEL))
    yield made
    made.close()


def test_the_shipped_policy_reaches_its_goal(loop):
    outcomes = [loop.run(seed) for seed in range(4)]
    assert all(outcome.success and not outcome.collision for outcome in outcomes)
    assert all(outcome.final_distance <= 0.02 for outcome in outcomes)
    assert {outcome.judge_violations for outcome in outcomes} == {0}
    assert {outcome.side for outcome in outcomes} == {'left', 'right'}


def test_the_shipped_policy_with_fingers_brings_the_cube_into_the_bin_by_either_grip():
    loop = ClosedLoop(load_policy(MODELS / 'pick_place'), latency=0.1)
    try:
        outcomes = [loop.run(seed) for seed in range(4)]
    finally:
        loop.close()
    done = [outcome.side for outcome in outcomes if outcome.success]
    assert len(done) >= 3  # Of some hundred scenes it does about 95 %.
    assert set(done) == set(PICK_PLACE.sides)
    assert {outcome.judge_violations for outcome in outcomes} == {0}


def test_a_seed_gives_the_same_episode_again(loop):
    first = loop.run(0)
    assert loop.run(1) != first
    assert loop.run(0) == first


def test_an_episode_ends_when_its_time_is_up(loop):
    outcome = loop.run(0, timeout=0.5)
    assert (outcome.success, outcome.collision, outcome.side) == (False, False, '')
    assert outcome.duration == pytest.approx(0.5)


def test_chunks_that_come_too_late_do_not_move_the_arm():
    loop = ClosedLoop(load_policy(MODEL), latency=2.0, chunk_period=2.5)
    try:
        outcome = loop.run(0, timeout=4.0)
    finally:
        loop.close()
    assert not outcome.success
    assert outcome.final_distance > 0.2


@pytest.mark.parametrize('conditioning', ['none', 'guided'])
def test_chunks_begin_with_what_is_committed_until_a_late_one_joins(conditioning, monkeypatch):
    policy, begun = load_policy(MODEL), []
    plain = policy.infer

    def infer(*args, prefix, **options):
        made = plain(*args, prefix=prefix, **options)
        begun.append((prefix, made.actions[0, : len(prefix)]))
        return made

    monkeypatch.setattr(policy, 'infer', infer)
    loop = ClosedLoop(policy, latency=0.1, delay=0.2, conditioning=conditioning)
    try:
        loop.run(0, timeout=2.0)
    finally:
        loop.close()
    # The arm rests before the first chunk; the second may be made before that has moved it.
    counts = [len(prefix) for prefix, _ in begun]
    assert counts[0] == 0
    assert set(counts[2:]) == ({4} if conditioning == 'guided' else {0})
    for prefix, actions in begun:
        np.testing.assert_array_equal(actions, prefix)


def test_a_task_that_is_not_simulated_is_refused(tmp_path):
    policy = load_policy(tiny_policy.checkpoint(tmp_path, name='cooking'))
    with pytest.raises(ConfigError, match=r"task 'cooking': the simulation has reach, dash, "):
        ClosedLoop(policy)


def test_a_conditioning_that_the_policy_was_not_trained_for_is_refused():
    with pytest.raises(ConfigError, match="conditioning = 'trained'"):
        ClosedLoop(load_policy(MODEL), conditioning='trained')
