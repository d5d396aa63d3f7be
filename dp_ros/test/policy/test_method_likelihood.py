# SPDX-License-Identifier: Apache-2.0
"""The likelihoods of the baselines against torch.distributions, and what they draw."""

from dp_ros.policy.methods.act import Act, divergence_from_prior
from dp_ros.policy.methods.gan import Gan
from dp_ros.policy.methods.gaussian import Gaussian
from dp_ros.policy.methods.method import drawn_from
from dp_ros.policy.methods.mixture import Mixture
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import torch
from torch import distributions

B, TP, J, M = 5, 8, 3, 4


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def says(prediction):
    """Make a network that gives this prediction, (B, Tp, n_out)."""
    return lambda sample, timestep, cond: prediction[:1].expand(len(sample), -1, -1)


def draws(method, prediction, n=4000):
    noise, draw = torch.randn(n, TP, J), drawn_from(torch.Generator().manual_seed(1))
    (chunk,) = method.walk(says(prediction), noise, torch.zeros(n, 0), '', 1, draw)
    return chunk


def test_the_loss_of_the_gaussian_is_its_likelihood():
    method, actions = Gaussian(), torch.randn(B, TP, J)
    prediction = torch.randn(1, TP, 2 * J)
    mean, log_std = prediction.chunk(2, dim=-1)
    known = distributions.Normal(mean, log_std.exp() + method.min_std)
    found = method.loss(says(prediction), actions, torch.zeros(B, 0))
    torch.testing.assert_close(found, -known.log_prob(actions).mean())


def mixture_of(method, prediction):
    logits, mean, std = method.split(prediction)
    chunks = distributions.Independent(distributions.Normal(mean, std), 2)
    return distributions.MixtureSameFamily(distributions.Categorical(logits=logits), chunks)


def test_the_loss_of_the_mixture_is_its_likelihood():
    method, actions = Mixture(n_modes=M), torch.randn(B, TP, J)
    prediction = torch.randn(1, TP, method.n_out(J))
    known = mixture_of(method, prediction.expand(B, -1, -1))
    found = method.loss(says(prediction), actions, torch.zeros(B, 0))
    torch.testing.assert_close(found, -known.log_prob(actions).mean() / (TP * J))


def test_the_weights_of_the_mixture_are_those_of_whole_chunks():
    method = Mixture(n_modes=M)
    prediction = torch.randn(B, TP, method.n_out(J))
    logits, mean, std = method.split(prediction)
    torch.testing.assert_close(logits, prediction[..., :M].mean(dim=1))
    assert mean.shape == std.shape == (B, M, TP, J)
    assert std.min() >= method.min_std


def test_the_gaussian_draws_what_it_learned():
    prediction = torch.randn(1, TP, 2 * J)
    mean, std = Gaussian().split(prediction)
    chunks = draws(Gaussian(), prediction)
    torch.testing.assert_close(chunks.mean(dim=0), mean[0], rtol=0, atol=0.25)
    torch.testing.assert_close(chunks.std(dim=0), std[0], rtol=0.08, atol=0)
    middle = draws(Gaussian(temperature=0.0), prediction)
    torch.testing.assert_close(middle, mean.expand_as(middle))


def test_the_mixture_draws_its_components_by_their_weight():
    method = Mixture(n_modes=M)
    prediction = torch.randn(1, TP, method.n_out(J))
    logits, mean, _ = method.split(prediction)
    chunks = draws(method, prediction)
    same = (chunks[:, None] - mean).abs().amax(dim=(2, 3)) < 1e-6
    assert same.any(dim=1).all()
    torch.testing.assert_close(same.float().mean(dim=0), logits[0].softmax(0), rtol=0, atol=0.03)
    spread = draws(Mixture(n_modes=M, temperature=1.0), prediction)
    assert (spread - chunks).abs().mean() > 0.1


def test_the_divergence_of_act_is_that_of_gaussians():
    mean, log_var = torch.randn(B, 6), torch.randn(B, 6)
    latent = distributions.Normal(mean, (log_var / 2).exp())
    prior = distributions.Normal(torch.zeros(6), torch.ones(6))
    known = distributions.kl_divergence(latent, prior).sum(dim=1)
    torch.testing.assert_close(divergence_from_prior(mean, log_var), known)


def test_act_is_told_the_chunk_in_training_and_nothing_when_it_runs():
    method = Act(latent_dim=4, kl_weight=2.0)
    mean, log_var = torch.ones(B, 4), torch.full((B, 4), -20.0)
    asked = []

    def network(latent, timestep, cond):
        asked.append(latent)
        return torch.zeros(B, TP, J)

    actions = torch.randn(B, TP, J)
    loss = method.loss(network, actions, torch.zeros(B, 0), lambda *_: (mean, log_var))
    divergence = divergence_from_prior(mean, log_var).mean()
    torch.testing.assert_close(loss, actions.abs().mean() + 2 * divergence)
    list(method.walk(network, torch.randn(B, TP, 4), None, '', 1, torch.zeros_like))
    trained, ran = asked
    assert trained.shape == (B, TP, 4)
    torch.testing.assert_close(trained, torch.ones(B, TP, 4), rtol=0, atol=1e-3)
    assert not ran.any()


def gan_gradients(**weights):
    """Return the gradients of generator and critic, of one backward pass."""
    network = tiny_policy.network(method=Gan(**weights))
    critic = network.config.method.make_auxiliary(network)
    torch.manual_seed(0)
    cond = torch.randn(B, network.shapes.cond_dim, requires_grad=True)
    loss = network.config.method.loss(network.denoise, torch.randn(B, 16, 7), cond, critic)
    loss.backward()
    flat = [
        torch.cat([p.grad.flatten() for p in module.parameters()])
        for module in (network.denoiser, critic)
    ]
    return [*flat, cond.grad]


def test_each_loss_of_the_gan_reaches_only_whom_it_trains():
    alone, judged, seen = gan_gradients(gradient_penalty=0.0, diversity=0.0)
    penalised = gan_gradients(gradient_penalty=5.0, diversity=0.0)
    rewarded = gan_gradients(gradient_penalty=0.0, diversity=5.0, diversity_limit=9.0)
    assert min(each.abs().max() for each in (alone, judged, seen)) > 0
    assert torch.equal(penalised[0], alone)
    assert torch.equal(penalised[2], seen)
    assert not torch.equal(penalised[1], judged)
    assert torch.equal(rewarded[1], judged)
    assert not torch.equal(rewarded[0], alone)


def test_the_gan_is_validated_without_gradients():
    network = tiny_policy.network(method='gan')
    critic = network.config.method.make_auxiliary(network)
    with torch.no_grad():
        cond = torch.zeros(B, network.shapes.cond_dim)
        loss = network.config.method.loss(network.denoise, torch.randn(B, 16, 7), cond, critic)
    assert loss.isfinite()


@pytest.mark.parametrize(
    ('method', 'reason'),
    [
        ({'name': 'gaussian', 'min_std': 0.0}, 'gaussian.min_std = 0.0: needs at least'),
        ({'name': 'mixture', 'n_modes': 0}, 'mixture.n_modes = 0: needs at least 1'),
        ({'name': 'mixture', 'temperature': -1.0}, 'mixture.temperature = -1.0: needs at least'),
        ({'name': 'gan', 'critic_dim': 0}, 'gan.critic_dim = 0: needs at least 1'),
        ({'name': 'act', 'encoder_dim': 10}, 'act.encoder_dim = 10: needs a multiple of n_heads'),
        ({'name': 'act', 'latent_dim': 0}, 'act.latent_dim = 0: needs at least 1'),
    ],
)
def test_a_setting_that_cannot_be_is_named(method, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny_policy.network(method=method)
