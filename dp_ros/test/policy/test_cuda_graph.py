# SPDX-License-Identifier: Apache-2.0
"""The whole sampling loop as one CUDA graph."""

from collections import deque

from dp_ros.policy.engines import make_engine
from dp_ros.policy.policy import Policy
from dp_ros.values import ConfigError
import numpy as np
import pytest
from test_engine import ASKED_ONCE, DENOISING
import tiny_policy
import torch
from torch.utils._python_dispatch import TorchDispatchMode

CASES = DENOISING | ASKED_ONCE
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


def test_a_graph_on_a_cpu_is_refused():
    with pytest.raises(ConfigError, match="engine = 'cuda_graph' runs on CUDA, device = 'cpu'"):
        make_engine('cuda_graph', tiny_policy.network(), 'cpu', 1)
