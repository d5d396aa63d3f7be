# SPDX-License-Identifier: Apache-2.0
"""The diffusion transformer: the reference's function, what it depends on, and what it hides."""

from dataclasses import replace

from dp_ros.policy.denoisers.denoiser import Shapes
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.importing.weights import TRANSFORMER, below, rename
from dp_ros.values import ConfigError
from golden import renew_importing as golden
import pytest
from safetensors.torch import load_file
import tiny_policy
import torch

SHAPES = Shapes(n_in=2, n_out=2, horizon=8, n_obs_steps=3, frame_dim=5)
SMALL = Transformer(n_layers=2, n_heads=2, embed_dim=8, attention_dropout=0.1)
VARIANTS = pytest.mark.parametrize(
    'settings',
    [
        SMALL,
        replace(SMALL, causal=False, n_cond_layers=1),
        replace(SMALL, conditioning='prepended'),
        replace(SMALL, conditioning='prepended', causal=False),
    ],
)


def make(settings, shapes=SHAPES):
    """Make a network with all its weights far from zero."""
    torch.manual_seed(0)
    network = settings.make(shapes).eval()
    for parameter in network.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    return network


def inputs():
    sample, timestep, cond = golden.network_inputs()
    return sample, timestep, cond.flatten(1)


def moved(network, change):
    """Return which actions of the chunk change when the inputs do."""
    before = inputs()
    after = change(*(value.clone() for value in before))
    with torch.no_grad():
        return (network(*after) - network(*before)).abs().amax(dim=(0, 2)) > 1e-5


@pytest.mark.parametrize(
    ('name', 'settings', 'shapes'),
    [
        ('cond_layers', replace(SMALL, n_cond_layers=1, causal=False), SHAPES),
        ('time_only', replace(SMALL, conditioning='prepended'), replace(SHAPES, n_obs_steps=0)),
    ],
)
def test_it_is_the_function_of_the_reference(name, settings, shapes):
    tensors = load_file(golden.FOLDER / 'transformers.safetensors')
    weights = below(tensors, f'{name}.')
    if name == 'time_only':
        weights = {key.replace('encoder.', 'decoder.'): value for key, value in weights.items()}
    network = settings.make(shapes).eval()
    network.load_state_dict(rename(weights, TRANSFORMER))
    with torch.no_grad():
        out = network(*inputs())
    torch.testing.assert_close(out, tensors[f'{name}:out'], rtol=0, atol=1e-5)


@VARIANTS
def test_every_action_depends_on_timestep_and_the_first_frame(settings):
    network = make(settings)
    assert network(*inputs()).shape == (2, 8, 2)
    assert moved(network, lambda sample, time, cond: (sample, time + 9, cond)).all()

    def first_frame(sample, time, cond):
        cond[:, :5] += 1
        return sample, time, cond

    assert moved(network, first_frame).all()


@VARIANTS
def test_a_causal_action_depends_on_none_after_it(settings):
    def fifth(sample, time, cond):
        sample[:, 4] += 1
        return sample, time, cond

    seen = moved(make(settings), fifth)
    assert seen[4:].all()
    assert seen[:4].any() != settings.causal


def test_a_causal_action_looks_up_no_frame_after_it():
    def third_frame(sample, time, cond):
        cond[:, 10:] += 1
        return sample, time, cond

    assert moved(make(SMALL), third_frame).tolist() == [False] * 2 + [True] * 6
    assert moved(make(replace(SMALL, causal=False)), third_frame).all()


@VARIANTS
def test_every_weight_gets_a_gradient_and_none_starts_large(settings):
    network = settings.make(SHAPES)
    network(*inputs()).square().mean().backward()
    for name, parameter in network.named_parameters():
        if not name.endswith('key_value.bias'):
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        if 'norm' not in name:
            assert parameter.abs().max() < 0.15, name


@VARIANTS
def test_dropout_is_for_training_only(settings):
    network = replace(settings, dropout=0.5).make(SHAPES)
    assert not torch.equal(network(*inputs()), network(*inputs()))
    network.eval()
    assert torch.equal(network(*inputs()), network(*inputs()))


@VARIANTS
def test_one_preparation_serves_several_samples(settings):
    network = make(settings)
    sample, timestep, cond = inputs()
    prepared = network.prepare(timestep[:1], cond[:1])
    alone = network(sample, timestep[:1].expand(2), cond[:1].expand(2, -1))
    torch.testing.assert_close(network.predict(sample, prepared), alone)


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        ({'n_heads': 3}, 'transformer.embed_dim = 256: needs an even multiple of n_heads = 3'),
        ({'embed_dim': 3, 'n_heads': 1}, 'transformer.embed_dim = 3'),
        ({'n_layers': 0}, 'transformer.n_layers = 0'),
        ({'dropout': 1.0}, 'transformer.dropout = 1.0'),
        ({'conditioning': 'film'}, "transformer.conditioning = 'film'"),
        ({'conditioning': 'prepended', 'n_cond_layers': 2}, 'transformer.n_cond_layers = 2'),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny_policy.changed(denoiser={'name': 'transformer'} | settings)
