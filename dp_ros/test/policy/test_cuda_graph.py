# SPDX-License-Identifier: Apache-2.0
"""The whole sampling loop as one CUDA graph."""

from collections import deque

from dp_ros.policy.engines import make_engine
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.methods.regression import Regression
from dp_ros.policy.policy import Policy
from dp_ros.policy.prefix import committed, given_prefix
from dp_ros.values import ConfigError
import numpy as np
import pytest
from test_engine import ASKED_ONCE, DENOISING
import tiny_policy
import torch
from torch.utils._python_dispatch import TorchDispatchMode

CASES = DENOISING | ASKED_ONCE
CONDITIONED = [
    (kind, max_delay, conditioning)
    for kind in (Diffusion(num_train_timesteps=20), FlowMatching(), Regression())
    for max_delay, conditioning in ((0, 'guided'), (6, 'guided'), (6, 'trained'))
]
PREFIX = tiny_policy.HOME + 0.02 * np.arange(1, 7)[:, None]
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU with CUDA')


class Watch(TorchDispatchMode):
    """Notes what takes values from one device to another, which a graph cannot hold."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [value for value in (*args, result) if isinstance(value, torch.Tensor)]
        if len({tensor.device for tensor in tensors if tensor.ndim > 0}) > 1:
            self.seen.append(str(func))
        return result


@pytest.mark.parametrize('name', list(CASES))
def test_a_sampling_loop_keeps_to_its_device(name):
    """Shown by the device `meta`, whose tensors have no values, on which nothing can wait."""
    network = tiny_policy.network(**CASES[name]).eval().to('meta')
    method, shapes = network.config.method, network.shapes
    noise = torch.zeros(3, shapes.horizon, shapes.n_in, device='meta')
    cond = torch.zeros(3, shapes.cond_dim, device='meta')
    for sampler in method.samplers or ('',):
        args = (network.denoise, noise, cond, sampler, 4, torch.zeros_like)
        deque(method.walk(*args), 0)  # As the warm-up, which may still copy tables.
        with Watch() as watch, torch.no_grad():
            deque(method.walk(*args), 0)
        assert watch.seen == []


@pytest.mark.parametrize(('method', 'max_delay', 'conditioning'), CONDITIONED, ids=str)
def test_a_loop_with_committed_actions_keeps_to_its_device(method, max_delay, conditioning):
    network = tiny_policy.network(method=method, max_delay=max_delay)
    prefix = given_prefix(network.config, network.actions, PREFIX, conditioning).to('meta')
    network = network.eval().to('meta')
    denoise = committed(network.config, network.denoise, prefix)
    noise = torch.zeros(3, network.shapes.horizon, network.config.n_noise, device='meta')
    cond = torch.zeros(3, network.shapes.cond_dim, device='meta')
    for sampler in method.samplers or ('',):
        args = (denoise, noise, cond, sampler, 4, torch.zeros_like)
        deque(method.walk(*args), 0)
        with Watch() as watch, torch.no_grad():
            deque(method.walk(*args), 0)
        assert watch.seen == []


@on_a_gpu
@pytest.mark.parametrize('name', list(CASES))
def test_a_graph_answers_as_eager_pytorch_within_1e_4(name, caplog):
    network = tiny_policy.network(**CASES[name])
    pair = [
        Policy(network.config, make_engine(engine, network, 'cuda', 1), network.actions)
        for engine in ('torch', 'cuda_graph')
    ]
    for seed, n_samples in ((0, 1), (1, 3), (2, 1)):
        seen = tiny_policy.observation(seed, network.config)
        for sampler in network.config.method.samplers or ('auto',):
            options = {'sampler': sampler, 'num_inference_steps': 5, 'n_samples': n_samples}
            eager, graph = (each.infer(seen, seed, **options).actions for each in pair)
            np.testing.assert_allclose(graph, eager, rtol=0, atol=1e-4)
    assert not caplog.records


@on_a_gpu
@pytest.mark.parametrize(('method', 'max_delay', 'conditioning'), CONDITIONED, ids=str)
def test_a_graph_with_committed_actions_answers_alike(method, max_delay, conditioning, caplog):
    network = tiny_policy.network(method=method, max_delay=max_delay)
    eager, graph = (
        Policy(network.config, make_engine(engine, network, 'cuda', 1), network.actions)
        for engine in ('torch', 'cuda_graph')
    )
    seen = tiny_policy.observation()
    for sampler in method.samplers or ('auto',):
        for seed, begin in enumerate((PREFIX[:2], PREFIX[:0], PREFIX, PREFIX[:2] - 0.03)):
            for n_samples in (1, 3):
                options = {
                    'sampler': sampler,
                    'num_inference_steps': 5,
                    'n_samples': n_samples,
                    'prefix': begin,
                    'conditioning': conditioning,
                }
                expected = eager.infer(seen, seed, **options).actions
                found = graph.infer(seen, seed, **options).actions
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
                again = graph.infer(seen, seed, **options).actions
                np.testing.assert_array_equal(found, again)
    assert not caplog.records


@on_a_gpu
@pytest.mark.parametrize('name', list(CASES))
def test_a_gpu_answers_as_a_cpu(name):
    networks = [tiny_policy.network(**CASES[name]) for _ in range(2)]
    cpu, gpu = (
        Policy(network.config, make_engine(engine, network, device, 1), network.actions)
        for network, engine, device in zip(
            networks, ('torch', 'auto'), ('cpu', 'cuda'), strict=True
        )
    )
    seen = tiny_policy.observation(0, cpu.config)
    expected, found = (each.infer(seen, 0, n_samples=2).actions for each in (cpu, gpu))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)  # TF32.


@on_a_gpu
def test_what_cannot_be_captured_runs_eagerly_on_the_stream_it_was_asked_on(caplog):
    network = tiny_policy.network()
    engine = make_engine('cuda_graph', network, 'cuda', 1)
    policy = Policy(network.config, engine, network.actions)
    seen, here = tiny_policy.observation(), torch.cuda.current_stream()
    expected = policy.infer(seen, 0).actions
    engine = make_engine('cuda_graph', network, 'cuda', 1)
    policy = Policy(network.config, engine, network.actions)
    denoise = network.denoise

    def waits(sample, timestep, cond):
        assert np.isfinite(float(sample.sum()))  # A copy to the host.
        return denoise(sample, timestep, cond)

    network.denoise = waits
    for _ in range(2):
        np.testing.assert_allclose(policy.infer(seen, 0).actions, expected, rtol=0, atol=1e-4)
        assert torch.cuda.current_stream() == here
    assert [record.levelname for record in caplog.records] == ['WARNING']


def test_a_graph_on_a_cpu_is_refused():
    with pytest.raises(ConfigError, match="engine = 'cuda_graph' runs on CUDA, device = 'cpu'"):
        make_engine('cuda_graph', tiny_policy.network(), 'cpu', 1)
