# SPDX-License-Identifier: Apache-2.0
"""What holds for every method: it trains, is stored, and its samplers are the node's."""

from dataclasses import replace

from dp_ros.nodes.policy.parameters import SAMPLERS
from dp_ros.policy.checkpoint import load_policy, save_checkpoint
from dp_ros.policy.config import policy_from_dict, to_dict
from dp_ros.policy.methods import METHODS
from dp_ros.training.config import RunConfig
from dp_ros.training.trainer import train
import numpy as np
import pytest
import test_trainer
import tiny_policy
import torch
import toy

NAMES = [name for name in METHODS if name != 'consistency']  # It has a file of its own.


def settings(name):
    return {'name': name} | ({'encoder_dim': 16, 'n_layers': 1} if name == 'act' else {})


def test_the_node_knows_the_samplers_of_all_methods():
    known = {sampler for method in METHODS.values() for sampler in method.samplers}
    assert set(SAMPLERS) == {'auto', *known}


@pytest.mark.parametrize('name', NAMES)
def test_a_method_trains_and_its_checkpoint_gives_finite_chunks(tmp_path, name):
    torch.manual_seed(0)
    policy = tiny_policy.changed(method=settings(name))
    run = RunConfig(policy, replace(test_trainer.SETTINGS, steps=2))
    network = train(tiny_policy.dataset(), run, tmp_path, test_trainer.nothing, device='cpu')
    save_checkpoint(tmp_path, network, {})
    loaded = load_policy(tmp_path, engine='torch')
    assert loaded.config == policy
    inference = loaded.infer(tiny_policy.observation(), 0, n_samples=2, return_steps=True)
    assert inference.actions.shape == (2, 15, 7)
    assert np.isfinite(inference.steps).all()


@pytest.mark.parametrize('name', NAMES)
def test_the_noise_decides_where_a_method_says_so(name):
    network = tiny_policy.network(method=settings(name))
    policy = toy.policy(network)
    noise = np.random.default_rng(0).normal(size=(2, 16, network.shapes.n_in))
    first, second = policy.infer(tiny_policy.observation(), 0, n_samples=2, noise=noise).actions
    different = np.abs(first - second).max() > 1e-6
    assert different == network.config.method.stochastic


def test_the_settings_of_a_method_survive_being_written():
    for name in NAMES:
        config = tiny_policy.changed(method=settings(name))
        assert policy_from_dict(to_dict(config), config.task) == config
