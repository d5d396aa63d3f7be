# SPDX-License-Identifier: Apache-2.0
"""The engines give the same answer."""

from dp_ros.policy import engine
from dp_ros.policy.config import ConfigError
from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.encoders.vit import Vit
from dp_ros.policy.engine import make_engine
from dp_ros.policy.policy import Policy
import numpy as np
import pytest
import tiny_policy

OPTIONS = [
    {'sampler': 'ddim'},
    {'sampler': 'ddpm', 'num_inference_steps': 20},
    {'sampler': 'ddim', 'n_samples': 4},
]


def policy(network, name):
    return Policy(network.config, make_engine(name, network, 'cpu', 1), network.actions)


@pytest.fixture(scope='module', params=['diffusion', 'regression'])
def pair(request):
    pytest.importorskip('openvino')
    network = tiny_policy.network(method=request.param)
    return policy(network, 'torch'), policy(network, 'openvino')


@pytest.mark.parametrize('options', OPTIONS)
def test_openvino_answers_as_pytorch_within_1e_4(pair, options):
    for seed in range(3):
        observation = tiny_policy.observation(seed)
        reference, answer = (each.infer(observation, seed, **options).actions for each in pair)
        assert np.ptp(reference) > 0.01
        np.testing.assert_allclose(answer, reference, rtol=0, atol=1e-4)


def test_the_conditioning_is_the_same(pair):
    reference, answer = (each.encode(tiny_policy.observation()).numpy() for each in pair)
    np.testing.assert_allclose(answer, reference, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    'encoder',
    [
        Resnet(crop_margin=2, width=16, n_keypoints=4, shared=True),
        Vit(crop_margin=2, patch_size=6, dim=24, depth=2, heads=3, mean=(0.5, 0.4, 0.3)),
    ],
)
def test_every_encoder_gives_the_same_features(encoder):
    pytest.importorskip('openvino')
    network = tiny_policy.network(
        image_sizes={'left': (40, 52), 'right': (40, 52)}, encoder=encoder
    )
    seen = tiny_policy.observation(config=network.config)
    reference, answer = (
        policy(network, name).encode(seen).numpy() for name in ('torch', 'openvino')
    )
    assert np.ptp(reference) > 0.01
    np.testing.assert_allclose(answer, reference, rtol=0, atol=1e-4)


def test_auto_takes_openvino_on_a_cpu_where_it_is_installed(monkeypatch):
    network = tiny_policy.network()
    monkeypatch.setattr(engine, 'find_spec', lambda name: None)
    assert make_engine('auto', network, 'cpu', 1).name == 'torch'
    with pytest.raises(ConfigError, match='pip install openvino'):
        make_engine('openvino', network, 'cpu', 1)
    monkeypatch.undo()
    pytest.importorskip('openvino')
    assert make_engine('auto', network, 'cpu', 1).name == 'openvino'


@pytest.mark.parametrize(
    ('name', 'device', 'reason'),
    [('jax', 'cpu', "engine = 'jax': needs one of"), ('openvino', 'cuda', "device = 'cuda'")],
)
def test_an_engine_that_cannot_run_here_is_named(name, device, reason):
    if name == 'openvino':
        pytest.importorskip('openvino')
    with pytest.raises(ConfigError, match=reason):
        make_engine(name, tiny_policy.network(), device, 1)
