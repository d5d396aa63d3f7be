# SPDX-License-Identifier: Apache-2.0
"""Chunks that begin with committed actions."""

from dataclasses import replace
import functools
from importlib.util import find_spec
import json

from dp_ros.policy.checkpoint import digest_of, load_network, load_policy, save_checkpoint
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.engines import make_engine
from dp_ros.policy.methods import METHODS
from dp_ros.policy.methods.act import Act
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.methods.gaussian import Gaussian
from dp_ros.policy.methods.regression import Regression
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import Policy
from dp_ros.policy.prefix import committed, drawn_prefix, longest_prefix
from dp_ros.task.task import Task
from dp_ros.values import ConfigError
from helpers import tiny_policy
import numpy as np
import pytest
import torch

METHODS_TO_TRY = [
    Diffusion(num_train_timesteps=20),
    Diffusion(num_train_timesteps=20, prediction_type='sample'),
    Diffusion(num_train_timesteps=20, prediction_type='v_prediction'),
    FlowMatching(),
    FlowMatching(prediction_type='sample'),
    Regression(),
]
OBSERVATION = tiny_policy.observation()
PREFIX = tiny_policy.HOME + 0.05 * np.arange(1, 4)[:, None]
TRANSFORMER = Transformer(n_layers=1, embed_dim=16, n_heads=2)


def make(engine='torch', **changes):
    network = tiny_policy.network(**changes)
    return Policy(network.config, make_engine(engine, network, 'cpu', 1), network.actions)


def chunk(policy, seed=1, **options):
    return policy.infer(OBSERVATION, seed, **options).actions[0]


@pytest.mark.parametrize('denoiser', [tiny_policy.CONFIG.denoiser, TRANSFORMER])
@pytest.mark.parametrize('max_delay', [0, 5])
@pytest.mark.parametrize('method', METHODS_TO_TRY, ids=str)
def test_every_sampler_ends_with_the_committed_actions(method, max_delay, denoiser):
    made = make(method=method, max_delay=max_delay, denoiser=denoiser)
    # Also without the last assignment, which is exact.
    made._to_actions = lambda step, begin: Policy._to_actions(made, step, begin[:0])
    for sampler in method.samplers or ('auto',):
        for conditioning in ('guided', 'trained')[: 2 if max_delay else 1]:
            asked = {'sampler': sampler, 'conditioning': conditioning}
            begin = chunk(made, prefix=PREFIX, **asked)[:3]
            np.testing.assert_allclose(begin, PREFIX, atol=1e-5)
    assert longest_prefix(made.config, 'guided') == 14
    assert longest_prefix(made.config, 'auto') == max_delay


@pytest.mark.parametrize('conditioning', ['guided', 'trained'])
def test_observation_seed_and_prefix_reproduce_the_chunk(conditioning):
    made = make(max_delay=4)
    asked = {'prefix': PREFIX, 'conditioning': conditioning, 'sampler': 'ddpm'}
    first = chunk(made, **asked)
    np.testing.assert_array_equal(first[:3], PREFIX)
    np.testing.assert_array_equal(first, chunk(made, **asked))
    assert not np.array_equal(first[3:], chunk(made, seed=2, **asked)[3:])
    assert not np.array_equal(first[3:], chunk(made, **asked | {'prefix': PREFIX + 0.01})[3:])


@pytest.mark.parametrize('max_delay', [0, 4])
def test_nothing_committed_or_no_conditioning_leaves_the_chunk_free(max_delay):
    made = make(max_delay=max_delay)
    free = chunk(made)
    np.testing.assert_array_equal(free, chunk(made, prefix=PREFIX[:0]))
    np.testing.assert_array_equal(free, chunk(made, prefix=PREFIX, conditioning='none'))


@pytest.mark.parametrize('max_delay', [0, 4])
def test_the_compiled_network_gives_the_same_chunk(max_delay):
    if find_spec('openvino') is None:
        pytest.skip('needs OpenVINO')
    eager, compiled = (make(engine, max_delay=max_delay) for engine in ('torch', 'openvino'))
    guided = {'prefix': PREFIX, 'conditioning': 'guided'}
    for options in ({'prefix': PREFIX}, {}, guided, guided | {'n_samples': 2}):
        expected = eager.infer(OBSERVATION, 3, **options).actions
        found = compiled.infer(OBSERVATION, 3, **options).actions
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_guidance_moves_the_next_actions_less_and_less():
    made = make(method=Regression())
    pulled = chunk(made, prefix=PREFIX, conditioning='guided') - chunk(made)
    moved = pulled[2:] / pulled[2]
    np.testing.assert_allclose(
        moved[:6], np.linspace(1, 1 / 6, 6)[:, None] @ np.ones((1, 7)), 1e-3
    )
    np.testing.assert_array_equal(pulled[8:], 0)


@pytest.mark.parametrize('method', METHODS_TO_TRY, ids=str)
def test_committed_actions_carry_no_loss(method):
    network = tiny_policy.network(method=method, max_delay=5)
    actions, cond = torch.randn(64, 16, 7), torch.zeros(64, network.shapes.cond_dim)
    prefix = drawn_prefix(network.config, actions)
    told = prefix.told[..., 0].bool()
    assert set(told.sum(dim=1).tolist()) == set(range(6))
    assert not told[:, 0].any()  # It is of the past, not of the chunk.
    answers = []

    def denoise(sample, timestep, cond):
        assert sample.shape == (64, 16, 8)
        torch.testing.assert_close(sample[told][:, :7], actions[told])
        answers.append(torch.zeros(64, 16, 7, requires_grad=True))
        return answers[0]

    method.loss(committed(network.config, denoise, prefix), actions, cond, None).backward()
    slope = answers[0].grad.abs().sum(dim=-1)
    assert (slope[told] == 0).all()
    assert (slope[~told] > 0).all()


WAYS = PolicyConfig(
    Task(joints=('x', 'y'), horizon=8, n_action_steps=4),
    denoiser=Unet(down_dims=(16, 32), timestep_dim=16),
    max_delay=3,
)


@functools.cache
def learned(method):
    """Learn to pass an obstacle on either side."""
    torch.manual_seed(0)
    network = PolicyNetwork(replace(WAYS, method=method))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    cond = network.condition(torch.zeros(64, 2, 2), {})
    for _ in range(200):
        actions = paths(torch.randint(2, (64, 1)) * 2 - 1)
        denoise = committed(network.config, network.denoise, drawn_prefix(network.config, actions))
        loss = method.loss(denoise, actions, cond)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Policy(network.config, make_engine('torch', network, 'cpu', 1), network.actions)


def paths(side):
    bow = torch.sin(torch.linspace(0, torch.pi, 8))
    x = torch.linspace(-1, 1, 8).expand(len(side), 8)
    return torch.stack([x, side * bow], dim=-1)


@pytest.mark.parametrize('side', [-1, 1])
@pytest.mark.parametrize(
    'method',
    [
        Diffusion(num_train_timesteps=50, prediction_type='sample'),
        FlowMatching(prediction_type='sample'),
        Regression(),
    ],
    ids=str,
)
def test_a_trained_policy_goes_on_on_the_side_that_is_committed(method, side):
    seen = {'state': np.zeros((2, 2)), 'images': {}}
    prefix = paths(torch.tensor([[side]]))[0, 1:3].double().numpy()
    found = learned(method).infer(seen, 0, n_samples=50, prefix=prefix).actions[:, 2:5, 1]
    assert (found.mean(axis=1) * side > 0.6).mean() >= 0.9


@pytest.mark.parametrize(
    ('prefix', 'wrong'),
    [
        (PREFIX[:, :6], r'shape \(3, 6\): needs \(delay, 7\)'),
        (PREFIX[0], r'shape \(7,\)'),
        (PREFIX + np.nan, 'prefix of fr3_joint1 is .*nan.*: needs finite positions'),
        (np.zeros((15, 7)), 'prefix of 15 committed actions: needs at most 14'),
    ],
)
def test_a_prefix_that_does_not_fit_is_refused(prefix, wrong):
    with pytest.raises(ConfigError, match=wrong):
        chunk(make(), prefix=prefix)


def test_a_conditioning_that_the_policy_cannot_do_is_refused():
    for options, wrong in (
        ({'conditioning': 'trained'}, r'policy.max_delay = 0.*use .guided. or .none.'),
        ({'conditioning': 'soft'}, "conditioning = 'soft': needs one of"),
        ({'conditioning': ['guided']}, 'conditioning = .*: needs one of'),
    ):
        with pytest.raises(ConfigError, match=wrong):
            chunk(make(), prefix=PREFIX, **options)
    with pytest.raises(ConfigError, match='prefix of 3 committed actions: needs at most 2'):
        chunk(make(max_delay=2), prefix=PREFIX)
    drawn = make(method=Gaussian())
    with pytest.raises(ConfigError, match='not for the method gaussian'):
        chunk(drawn, prefix=PREFIX, conditioning='guided')
    np.testing.assert_array_equal(chunk(drawn), chunk(drawn, prefix=PREFIX))


def test_the_largest_delay_has_to_leave_an_action_and_suit_the_method():
    with pytest.raises(ConfigError, match='max_delay = 15: needs 0 to 14'):
        tiny_policy.changed(max_delay=15)
    with pytest.raises(ConfigError, match='max_delay = 1: the method act cannot be trained'):
        tiny_policy.changed(max_delay=1, method=Act())
    for kind in METHODS.values():
        assert set(kind.conditionings) <= {'guided', 'trained'}


def test_a_checkpoint_keeps_it_and_an_older_one_was_trained_without(tmp_path):
    network = tiny_policy.network(max_delay=4)
    save_checkpoint(tmp_path / 'new', network, {})
    assert load_network(tmp_path / 'new').config.max_delay == 4
    save_checkpoint(tmp_path / 'old', tiny_policy.network(), {})
    file = tmp_path / 'old' / 'policy.json'
    description = json.loads(file.read_text())
    del description['policy']['max_delay']
    file.write_text(json.dumps(description | {'sha256': digest_of(description)}))
    old = load_policy(tmp_path / 'old', engine='torch')
    assert old.config.max_delay == 0
    np.testing.assert_array_equal(chunk(old), chunk(make()))
