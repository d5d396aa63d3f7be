# SPDX-License-Identifier: Apache-2.0
"""The engines give the same answer."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
import subprocess
import sys

from dp_ros.policy import engines
from dp_ros.policy.denoisers import DENOISERS
from dp_ros.policy.denoisers.lstm import Lstm
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.encoders import ENCODERS
from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.encoders.torchvision_resnet import TorchvisionResnet
from dp_ros.policy.encoders.vit import Vit
from dp_ros.policy.engines import make_engine
from dp_ros.policy.methods import METHODS
from dp_ros.policy.methods.consistency import Consistency
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.policy import Policy
from dp_ros.task.task import OBSERVATIONS
from dp_ros.values import ConfigError
import numpy as np
import pytest
import tiny_policy
import torch

UNET = {'down_dims': (16, 32), 'timestep_dim': 16}
TINY = {'n_layers': 2, 'n_heads': 2, 'embed_dim': 16}
PROCESS = Diffusion(num_train_timesteps=20)
BLIND = {'image_sizes': {}}
TWO_CAMERAS = {'image_sizes': {'left': (40, 52), 'right': (40, 52)}}
RESNET = Resnet(crop_margin=2, width=16, n_keypoints=4, shared=True)
VIT = Vit(crop_margin=2, patch_size=6, dim=24, depth=2, heads=3, mean=(0.5, 0.4, 0.3))
DENOISING = {
    'unet': {},
    'unet with its own skips': BLIND
    | {'denoiser': Unet(skips='own', **UNET), 'method': FlowMatching()},
    'unet that shifts': BLIND
    | {'denoiser': Unet(film_scale=False, **UNET), 'method': Consistency(process=PROCESS)},
    'unet that shifts, with its own skips, and resnet': TWO_CAMERAS
    | {'denoiser': Unet(film_scale=False, skips='own', **UNET), 'encoder': RESNET},
    'transformer and shared cnn': TWO_CAMERAS
    | {
        'denoiser': Transformer(**TINY),
        'encoder': replace(tiny_policy.CONFIG.encoder, shared=True),
    },
    'transformer with layers for the conditioning': BLIND
    | {'denoiser': Transformer(n_cond_layers=1, causal=False, **TINY), 'method': FlowMatching()},
    'transformer of one row of tokens, and vit': TWO_CAMERAS
    | {'denoiser': Transformer(conditioning='prepended', **TINY), 'encoder': VIT},
    'resnet of torchvision, on resized images': TWO_CAMERAS
    | {'encoder': TorchvisionResnet(norm='group', n_keypoints=4, resize=(36, 48))},
    'state with past actions': BLIND | {'observations': OBSERVATIONS, 'denoiser': Unet(**UNET)},
    'lstm': BLIND | {'denoiser': Lstm(hidden_dim=16, n_layers=1, timestep_dim=8)},
}
SMALL = BLIND | {'denoiser': Unet(down_dims=(16,), timestep_dim=16)}
ASKED_ONCE = {
    name: SMALL | {'method': kind()} for name, kind in METHODS.items() if not kind.samplers
}


def need_openvino():
    if find_spec('openvino') is None:
        pytest.skip('needs OpenVINO')


def policy(network, name):
    return Policy(network.config, make_engine(name, network, 'cpu', 1), network.actions)


def both(**changes):
    need_openvino()
    network = tiny_policy.network(**changes)
    return policy(network, 'torch'), policy(network, 'openvino')


def check_alike(pair, seed=0, **options):
    seen = tiny_policy.observation(seed, pair[0].config)
    features = [each.encode(seen).numpy() for each in pair]
    chunks = [each.infer(seen, seed, **options).actions for each in pair]
    for reference, answer in (features, chunks):
        assert np.ptp(reference) > 0.01
        np.testing.assert_allclose(answer, reference, rtol=0, atol=1e-4)


@pytest.fixture(scope='module')
def pair():
    return both()


def printed(program):
    """Run a program in a process of its own, and return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=Path(tiny_policy.__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.splitlines()


def test_an_engine_tells_nobody_over_the_network():
    need_openvino()
    program = (
        'import socket, sys; sys.addaudithook(lambda event, args: '
        "event in ('socket.connect', 'socket.getaddrinfo', 'subprocess.Popen') "
        "and print('TOLD', event, args))\n"
        'import tiny_policy; from dp_ros.tools.bench import cases\n'
        'cases.make_network = lambda case: tiny_policy.network()\n'
        "cases.measure_here('tiny', 'openvino'); "
        "print('openvino_telemetry.main' in sys.modules)"
    )
    assert printed(program) == ['False']


def test_networks_are_made_and_measured_without_torchs_compiler():
    program = (
        'import sys, tiny_policy; from dp_ros.policy.network import check_size; '
        'tiny_policy.network(); check_size(tiny_policy.CONFIG, 10**9); '
        "print([name for name in sys.modules if name in ('sympy', 'torch._dynamo')])"
    )
    assert printed(program) == ['[]']


def test_every_part_is_among_those_that_are_compared():
    compared = [*DENOISING.values(), *ASKED_ONCE.values()]
    configs = [tiny_policy.changed(**changes) for changes in compared]
    for role, kinds in (('method', METHODS), ('denoiser', DENOISERS), ('encoder', ENCODERS)):
        assert {getattr(config, role).name for config in configs} == set(kinds)


@pytest.mark.parametrize('name', list(DENOISING))
def test_openvino_answers_as_pytorch_within_1e_4(request, name):
    changes = DENOISING[name]
    pair = both(**changes) if changes else request.getfixturevalue('pair')
    for sampler in pair[0].config.method.samplers:
        check_alike(pair, sampler=sampler, num_inference_steps=3, n_samples=3)
        check_alike(pair, 1, sampler=sampler, num_inference_steps=8)


@pytest.mark.parametrize('name', list(ASKED_ONCE))
def test_methods_that_ask_once_answer_alike(name):
    pair = both(**ASKED_ONCE[name])
    for n_samples in (1, 2):
        check_alike(pair, n_samples=n_samples)


def test_one_sample_and_several_take_turns(pair):
    for n_samples in (1, 3, 1, 2):
        check_alike(pair, n_samples=n_samples)


@pytest.mark.parametrize('which', [0, 1], ids=['torch', 'openvino'])
def test_the_same_noise_gives_the_same_chunk(pair, which):
    rng, seen = np.random.default_rng(0), tiny_policy.observation()
    noise, other = rng.normal(size=(2, 2, 16, 7))
    first, again, different = (
        pair[which].infer(seen, seed, n_samples=2, noise=given).actions
        for seed, given in ((1, noise), (2, noise), (1, other))
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - different).max() > 1e-3


def test_the_same_observation_and_seed_give_the_same_chunk_after_others(pair):
    seen, others = tiny_policy.observation(0), tiny_policy.observation(1)
    first = pair[1].infer(seen, 0).actions
    pair[1].infer(others, 1, num_inference_steps=3, n_samples=2)
    np.testing.assert_array_equal(pair[1].infer(seen, 0).actions, first)


@pytest.mark.parametrize('name', list(DENOISING))
def test_a_denoiser_predicts_the_same_when_it_is_prepared_for_all_steps_at_once(name):
    network = tiny_policy.network(**DENOISING[name])
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(1, 16, 7, generator=generator)
    cond = torch.randn(1, network.shapes.cond_dim, generator=generator)
    timesteps = torch.tensor([19.0, 7.0, 0.0])
    with torch.no_grad():
        rows = network.denoiser.prepare(timesteps, cond.expand(3, -1))
        for row, timestep in zip(rows, timesteps, strict=True):
            expected = network.denoiser(sample, timestep[None], cond)
            found = network.denoiser.predict(sample, row[None])
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_auto_takes_openvino_on_a_cpu_where_it_is_installed(monkeypatch):
    network = tiny_policy.network(**SMALL)
    monkeypatch.setattr(engines, 'find_spec', lambda name: None)
    assert make_engine('auto', network, 'cpu', 1).name == 'torch'
    with pytest.raises(ConfigError, match='pip install openvino'):
        make_engine('openvino', network, 'cpu', 1)
    monkeypatch.undo()
    need_openvino()
    assert make_engine('auto', network, 'cpu', 1).name == 'openvino'


@pytest.mark.parametrize(
    ('name', 'device', 'reason'),
    [('jax', 'cpu', "engine = 'jax': needs one of"), ('openvino', 'cuda', "device = 'cuda'")],
)
def test_an_engine_that_cannot_run_here_is_named(name, device, reason):
    if name == 'openvino':
        need_openvino()
    with pytest.raises(ConfigError, match=reason):
        make_engine(name, tiny_policy.network(), device, 1)
