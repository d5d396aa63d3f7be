# SPDX-License-Identifier: Apache-2.0
"""The Push-T table: the demonstrations' physics and pictures, resets, and the papers' score."""

import sys

from dp_ros.sim.scenarios.pusht.table import (
    MAX_STEPS,
    PushTEpisode,
    PushTMissingError,
    PushTTable,
    score,
)
import numpy as np
import pytest

needs_physics = pytest.mark.usefixtures('physics')

# The first state, 16 actions, and the state after them, of the seventh demonstration.
FIRST = [444, 251, 367.2335, 271.1561, 2.0352]
TARGETS = [
    (452, 277),
    (449, 266),
    (447, 261),
    (444, 255),
    (437, 247),
    (433, 244),
    (424, 240),
    (414, 237),
    (410, 235),
    (402, 231),
    (398, 227),
    (393, 221),
    (377, 212),
    (375, 211),
    (370, 210),
    (365, 209),
]
AFTER = [372.7511, 211.5298, 352.1543, 251.3409, 1.7128]


@pytest.fixture
def physics():
    pytest.importorskip('gym_pusht')


def put(table, state):
    """Set agent and block of a table to a state (5,) of the demonstrations."""
    agent, block = table._env.agent, table._env.block
    agent.position = list(state[:2])
    # The angle first: it turns the block about its centre of mass, not its position.
    block.angle = state[4]
    block.position = list(state[2:4])
    for body in (agent, block):
        table._env.space.reindex_shapes_for_body(body)


@pytest.mark.parametrize(
    ('coverage', 'expected'), [(0.0, 0.0), (0.475, 0.5), (0.95, 1.0), (0.99, 1.0)]
)
def test_the_score_is_the_coverage_of_which_95_percent_is_all(coverage, expected):
    assert score(coverage) == pytest.approx(expected)


@needs_physics
def test_a_seed_starts_at_the_papers_initial_condition():
    table = PushTTable()
    table.reset(100_000)
    first = table.state
    np.testing.assert_allclose(first, [235, 124, 299.613, 145.202, 5.37826], atol=1e-3)
    table.step(np.array([300.0, 300.0]))
    table.reset(100_001)
    assert np.abs(table.state - first).max() > 1
    table.reset(100_000)
    np.testing.assert_array_equal(table.state, first)


@needs_physics
def test_a_demonstration_replays_as_it_was_recorded():
    table = PushTTable()
    table.reset(0)
    put(table, FIRST)
    np.testing.assert_allclose(table.state, FIRST)
    for target in TARGETS:
        table.step(np.array(target, dtype=np.float64))
    np.testing.assert_allclose(table.state, AFTER, atol=0.02)
    assert np.abs(np.subtract(AFTER, FIRST)[2:4]).max() > 5


@needs_physics
def test_an_episode_repeats_its_first_observation():
    episode = PushTEpisode(3, n_obs_steps=2, keep_images=True)
    assert episode.states.shape == (2, 5)
    np.testing.assert_array_equal(episode.states[0], episode.states[1])
    assert episode.images.shape == (2, 96, 96, 3)
    episode.follow(np.full((3, 2), 256.0))
    assert episode.steps == 3
    assert np.abs(episode.states[1] - episode.states[0]).max() > 0


@needs_physics
def test_an_episode_ends_with_its_time_and_keeps_its_best_score():
    episode = PushTEpisode(100_001, n_obs_steps=2)
    scores = []
    while not episode.done:
        episode.follow(np.full((8, 2), 200.0 + episode.steps % 100))
        scores.append(episode.score)
    assert episode.steps == MAX_STEPS
    assert scores == sorted(scores)
    assert 0 < scores[-1] < 1
    assert not episode.pictures


@needs_physics
def test_an_episode_ends_when_the_block_lies_on_its_outline():
    episode = PushTEpisode(0, n_obs_steps=1, keep_pictures=True)
    put(episode._table, [60.0, 60.0, 256.0, 256.0, np.pi / 4])
    episode.follow(np.full((8, 2), 60.0))
    assert (episode.done, episode.steps, episode.score) == (True, 1, 1.0)
    assert [picture.shape for picture in episode.pictures] == [(256, 256, 3)]


def test_without_the_package_it_says_what_to_install(monkeypatch):
    for name in ('gym_pusht', 'gym_pusht.envs.pusht'):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PushTMissingError, match='--no-deps gym-pusht=='):
        PushTTable()
