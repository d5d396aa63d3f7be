# SPDX-License-Identifier: Apache-2.0
"""From one observation and a seed to chunks; and what diffusion learns that regression cannot."""

from dataclasses import replace
import functools

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.engines import make_engine
from dp_ros.policy.engines.eager import TorchEngine
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.regression import Regression
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import Policy, blank_observation, chunk_seed, warm_up
from dp_ros.task.task import Task
from dp_ros.values import ConfigError
import numpy as np
import pytest
import tiny_policy
import torch


def policy(network):
    return Policy(network.config, make_engine('torch', network, 'cpu', 1), network.actions)


@pytest.fixture(scope='module')
def tiny():
    return policy(tiny_policy.network())


def test_a_chunk_begins_at_the_observation(tiny):
    inference = tiny.infer(tiny_policy.observation(), 0, n_samples=3, return_steps=True)
    assert inference.actions.shape == (3, 15, 7)
    assert inference.steps.shape == (11, 3, 15, 7)
    np.testing.assert_array_equal(inference.steps[-1], inference.actions)
    assert tiny.infer(tiny_policy.observation(), 0).steps is None


@pytest.mark.parametrize('sampler', ['ddim', 'ddpm'])
def test_the_seed_decides(tiny, sampler):
    seen = tiny_policy.observation()
    a, again, b = (tiny.infer(seen, seed, sampler=sampler).actions for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, again)
    assert np.abs(a - b).max() > 1e-3


def test_noise_can_be_given(tiny):
    seen = tiny_policy.observation()
    noise = np.random.default_rng(0).normal(size=(1, 16, 7))
    a, b = (tiny.infer(seen, seed, noise=noise).actions for seed in (1, 2))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('noise', [np.zeros((1, 7, 16)), np.full((1, 16, 7), np.nan)])
def test_noise_that_does_not_fit_is_refused(tiny, noise):
    with pytest.raises(ConfigError, match=r'needs finite numbers of shape \(1, 16, 7\)'):
        tiny.infer(tiny_policy.observation(), 0, noise=noise)


def test_the_observation_decides(tiny):
    a, b = (tiny.infer(tiny_policy.observation(k), 0).actions for k in (0, 1))
    assert np.abs(a - b).max() > 1e-4


def test_actions_stay_within_the_range_of_the_training_data(tiny):
    actions = tiny.infer(tiny_policy.observation(), 0, n_samples=8).actions
    assert np.abs(actions - tiny_policy.HOME).max() <= 0.2 + 1e-6


def wrong(**changes):
    return tiny_policy.observation() | changes


@pytest.mark.parametrize(
    ('observation', 'options', 'reason'),
    [
        (wrong(state=np.zeros((2, 6))), {}, r'shape \(2, 6\): needs \(2, 7\)'),
        (wrong(state=np.full((2, 7), np.inf)), {}, 'finite'),
        (wrong(images={}), {}, "no image of camera 'front'"),
        (wrong(images={'front': np.zeros((2, 9, 9, 3), np.uint8)}), {}, r'\(2, 9, 9, 3\)'),
        (wrong(), {'num_inference_steps': 21}, 'num_inference_steps = 21: needs 1 to 20'),
        (wrong(), {'num_inference_steps': 0}, 'num_inference_steps = 0'),
        (wrong(), {'sampler': 'euler'}, "sampler = 'euler'"),
    ],
)
def test_what_does_not_fit_is_named(tiny, observation, options, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny.infer(observation, 0, **options)


def test_a_walk_can_be_left(tiny):
    walk = tiny.walk(tiny.encode(tiny_policy.observation()), 0, num_inference_steps=20)
    first = next(walk)
    assert first.shape == (1, 15, 7)
    assert tiny.infer(tiny_policy.observation(), 0).actions.shape == (1, 15, 7)


def test_a_policy_can_be_warmed_up_without_an_observation(tiny):
    assert np.isfinite(tiny.infer(blank_observation(tiny.config), 0).actions).all()


class Noting(TorchEngine):
    """Notes the kinds of chunks that it makes."""

    def walk(self, noise, cond, sampler, num_inference_steps, draw, prefix=None):
        self.kinds = [*getattr(self, 'kinds', []), (sampler, len(noise), prefix is not None)]
        return super().walk(noise, cond, sampler, num_inference_steps, draw, prefix)


@pytest.mark.parametrize(
    ('max_delay', 'conditioning', 'n_samples', 'kinds'),
    [
        (0, 'auto', {1}, {(1, False)}),
        (4, 'auto', {1, 3}, {(1, False), (1, True), (3, False), (3, True)}),
        (4, 'none', {1}, {(1, False)}),
        (0, 'guided', {1}, {(1, False), (1, True)}),
    ],
)
def test_every_kind_of_chunk_is_made_before_the_first_one_counts(
    max_delay, conditioning, n_samples, kinds
):
    network = tiny_policy.network(max_delay=max_delay)
    policy = Policy(network.config, Noting(network, 'cpu'), network.actions)
    warm_up(policy, conditioning, n_samples, sampler='ddpm', num_inference_steps=2)
    assert set(policy.engine.kinds) == {('ddpm', *kind) for kind in kinds}


def test_chunk_seeds_of_neighbouring_runs_share_nothing():
    seeds = [chunk_seed(run, index) for run in range(20) for index in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert chunk_seed(3, 5) == chunk_seed(3, 5)
    assert all(0 <= seed < 2**64 for seed in seeds)


# Two ways past an obstacle: paths of (x, y) that go by y = +1 or y = -1, from the same place.

WAYS = PolicyConfig(
    Task(joints=('x', 'y'), horizon=8, n_action_steps=4),
    denoiser=Unet(down_dims=(16, 32), timestep_dim=16),
)


DIFFUSION = Diffusion(num_train_timesteps=50, prediction_type='sample')


@functools.cache
def learned(method):
    torch.manual_seed(0)
    network = PolicyNetwork(replace(WAYS, method=method))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    bow = torch.sin(torch.linspace(0, torch.pi, 8))
    x = torch.linspace(-1, 1, 8).expand(64, 8)
    cond = network.condition(torch.zeros(64, 2, 2), {})
    for _ in range(250):
        side = torch.randint(2, (64, 1)) * 2 - 1
        actions = torch.stack([x, side * bow], dim=-1)
        loss = method.loss(network.denoise, actions, cond)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy(network.eval())


def middles(method, **options):
    """Where 200 sampled paths pass the obstacle, y."""
    seen = {'state': np.zeros((2, 2)), 'images': {}}
    return learned(method).infer(seen, 0, n_samples=200, **options).actions[:, 2:4, 1].mean(axis=1)


@pytest.mark.parametrize(('sampler', 'steps'), [('ddim', 10), ('ddpm', 50)])
def test_diffusion_finds_both_ways(sampler, steps):
    y = middles(DIFFUSION, sampler=sampler, num_inference_steps=steps)
    assert 0.25 < (y > 0).mean() < 0.75
    assert (np.abs(y) > 0.7).mean() > 0.95


def test_regression_goes_straight_into_the_obstacle():
    y = middles(Regression())
    assert np.abs(y).max() < 0.3
