# SPDX-License-Identifier: Apache-2.0
"""Engines that evaluate the networks: eager PyTorch as the reference, and faster ones."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from dp_ros.policy.engines.cuda_graph import CudaGraphEngine
from dp_ros.policy.engines.eager import TorchEngine
from dp_ros.policy.engines.engine import Engine
from dp_ros.policy.engines.openvino import OpenVinoEngine
from dp_ros.policy.network import PolicyNetwork
from dp_ros.values import ConfigError

__all__ = ['ENGINES', 'Engine', 'make_engine']

ENGINES: Final = ('auto', 'torch', 'openvino', 'cuda_graph')


def make_engine(name: str, network: PolicyNetwork, device: str, num_threads: int) -> Engine:
    """Make the engine; 'auto' chooses the fastest for the device.

    :raises ConfigError: when the engine cannot run here.
    """
    if name not in ENGINES:
        raise ConfigError(f'engine = {name!r}: needs one of {ENGINES}')
    on_cpu = device == 'cpu'
    installed = find_spec('openvino') is not None
    if name == 'auto':
        name = ('openvino' if installed else 'torch') if on_cpu else 'cuda_graph'
    if name == 'torch':
        return TorchEngine(network, device)
    if name == 'cuda_graph':
        if on_cpu:
            raise ConfigError("engine = 'cuda_graph' runs on CUDA, device = 'cpu': use 'torch'")
        return CudaGraphEngine(network, device)
    if not installed:
        raise ConfigError("engine = 'openvino': not installed; `pip install openvino`, or 'torch'")
    if not on_cpu:
        raise ConfigError(f"engine = 'openvino' runs on the CPU, device = {device!r}: use 'torch'")
    return OpenVinoEngine(network, num_threads)
