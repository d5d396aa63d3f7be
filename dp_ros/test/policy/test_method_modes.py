# SPDX-License-Identifier: Apache-2.0
"""Where people went two ways: who finds both, and who goes straight into the obstacle."""

from dp_ros.policy.denoisers.lstm import Lstm
from dp_ros.policy.methods.act import Act
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.methods.gan import Gan
from dp_ros.policy.methods.gaussian import Gaussian
from dp_ros.policy.methods.mixture import Mixture
from dp_ros.policy.methods.regression import Regression
import numpy as np
import pytest
import toy

VELOCITY = Diffusion(num_train_timesteps=50, prediction_type='v_prediction')


def ways(y):
    """Share that goes by above, near either way, and through the obstacle."""
    return (y > 0).mean(), (np.abs(np.abs(y) - toy.BOW) < 0.25).mean(), (np.abs(y) < 0.5).mean()


@pytest.mark.parametrize(
    ('method', 'sampler', 'steps'),
    [
        (VELOCITY, 'ddim', 10),
        (VELOCITY, 'ddpm', 50),
        (VELOCITY, 'dpmsolver++', 10),
        (FlowMatching(), 'euler', 10),
        (FlowMatching(), 'heun', 5),
    ],
)
def test_denoising_finds_both_ways(method, sampler, steps):
    network = toy.learned(method, steps=500)
    above, near, through = ways(toy.middles(network, sampler=sampler, num_inference_steps=steps))
    assert 0.2 < above < 0.8
    assert near > 0.9
    assert through < 0.05


def test_a_mixture_finds_both_ways():
    denoiser = Lstm(hidden_dim=32, n_layers=1, timestep_dim=8)
    above, near, _ = ways(toy.middles(toy.learned(Mixture(), denoiser=denoiser)))
    assert 0.3 < above < 0.7
    assert near > 0.95


def test_a_gan_finds_both_ways_while_it_is_rewarded_for_it():
    network = toy.learned(Gan(), steps=400, learning_rate=1e-3)
    above, near, through = ways(toy.middles(network))
    assert 0.2 < above < 0.8
    assert near > 0.7
    assert through < 0.1


def test_the_gaussian_knows_how_far_people_differ_and_not_that_they_went_two_ways():
    network = toy.learned(Gaussian())
    y = toy.middles(network)
    assert y.mean() == pytest.approx(0, abs=0.25)
    assert ways(y)[2] > 0.3
    one = toy.policy(network).infer(toy.SEEN, 0, n_samples=400).actions[:, 2, 1]
    assert one.std() == pytest.approx(toy.BOW, abs=0.25)


@pytest.mark.parametrize('method', [Regression(), Act(encoder_dim=32, n_layers=1)])
def test_one_answer_goes_into_the_obstacle(method):
    y = toy.middles(toy.learned(method))
    assert np.ptp(y) < 1e-6
    assert np.abs(y).max() < 0.35
