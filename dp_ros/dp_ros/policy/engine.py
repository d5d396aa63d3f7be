# SPDX-License-Identifier: Apache-2.0
"""What evaluates the networks: eager PyTorch as the reference, or OpenVINO on a CPU.

At batch 1 PyTorch bypasses oneDNN for small convolutions; OpenVINO does the same arithmetic six
times faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final, Protocol
import warnings

from dp_ros.policy.config import ConfigError
from dp_ros.policy.network import PolicyNetwork
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor, nn

ENGINES: Final = ('auto', 'torch', 'openvino')

Images = Mapping[str, NDArray[np.uint8]]


class Engine(Protocol):
    """Evaluates a policy's networks on one observation."""

    name: str
    device: str

    def condition(self, state: NDArray[np.floating[Any]], images: Images) -> Tensor:
        """Encode (To, S) state and (To, H, W, 3) images to (1, D)."""

    def denoise(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Predict (B, Tp, n_out) from sample (B, Tp, n_in), timestep (B,), conditioning (B, D)."""


def make_engine(name: str, network: PolicyNetwork, device: str, num_threads: int) -> Engine:
    """Make the engine; 'auto' takes OpenVINO on a CPU where it is installed.

    :raises ConfigError: when the engine cannot run here.
    """
    if name not in ENGINES:
        raise ConfigError(f'engine = {name!r}: needs one of {ENGINES}')
    installed = find_spec('openvino') is not None
    if name == 'auto':
        name = 'openvino' if installed and device == 'cpu' else 'torch'
    if name == 'torch':
        return TorchEngine(network, device)
    if not installed:
        raise ConfigError("engine = 'openvino': not installed; `pip install openvino`, or 'torch'")
    if device != 'cpu':
        raise ConfigError(f"engine = 'openvino' runs on the CPU, device = {device!r}: use 'torch'")
    return OpenVinoEngine(network, num_threads)


class TorchEngine:
    """Eager PyTorch."""

    name = 'torch'

    def __init__(self, network: PolicyNetwork, device: str) -> None:
        self._network = network.to(device).eval()
        self.device = device

    @torch.no_grad()
    def condition(self, state: NDArray[np.floating[Any]], images: Images) -> Tensor:
        """Encode the observation."""
        values, pixels = _tensors(state, images)
        moved = {name: value.to(self.device) for name, value in pixels.items()}
        return self._network.condition(values.to(self.device), moved)

    @torch.no_grad()
    def denoise(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Predict on the device; the result comes back to where the sample is."""
        args = (value.to(self.device) for value in (sample, timestep, cond))
        return self._network.denoise(*args).to(sample.device)


class OpenVinoEngine:
    """The same networks, compiled by OpenVINO in float32."""

    name = 'openvino'
    device = 'cpu'

    def __init__(self, network: PolicyNetwork, num_threads: int) -> None:
        config = network.config
        network = network.cpu().eval()
        state = torch.zeros(1, config.n_obs_steps, len(config.state_names))
        images = [
            torch.zeros(1, config.n_obs_steps, 3, *size, dtype=torch.uint8)
            for size in config.image_sizes.values()
        ]
        shapes = network.shapes
        sample = torch.zeros(1, shapes.horizon, shapes.n_in)
        noisy = (sample, torch.zeros(1), torch.zeros(1, shapes.cond_dim))
        self._names = config.camera_names
        self._condition = _compile(_Condition(network), (state, *images), num_threads)
        self._denoise = _compile(network.denoiser, noisy, num_threads)

    def condition(self, state: NDArray[np.floating[Any]], images: Images) -> Tensor:
        """Encode the observation."""
        values, pixels = _tensors(state, images)
        inputs = [values, *(pixels[name] for name in self._names)]
        return _run(self._condition, inputs)

    def denoise(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Predict."""
        return _run(self._denoise, [sample, timestep.to(torch.float32), cond])


class _Condition(nn.Module):
    """The conditioning with images as positional arguments, as tracing needs them."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, state: Tensor, *images: Tensor) -> Tensor:
        names = self.network.config.camera_names
        return self.network.condition(state, dict(zip(names, images, strict=True)))


def _compile(module: nn.Module, example: tuple[Tensor, ...], num_threads: int) -> Any:
    import openvino

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch: tracing is deprecated; OpenVINO still needs it.
        model = openvino.convert_model(module, example_input=example)
    settings = {
        'INFERENCE_NUM_THREADS': num_threads,
        'INFERENCE_PRECISION_HINT': 'f32',
        'PERFORMANCE_HINT': 'LATENCY',
    }
    return openvino.Core().compile_model(model, 'CPU', settings).create_infer_request()


def _run(request: Any, inputs: list[Tensor]) -> Tensor:
    result = request.infer([value.detach().contiguous().numpy() for value in inputs])
    return torch.from_numpy(result[0].copy())


def _tensors(state: NDArray[np.floating[Any]], images: Images) -> tuple[Tensor, dict[str, Tensor]]:
    values = torch.from_numpy(np.asarray(state, dtype=np.float32))[None]
    pixels = {
        name: torch.from_numpy(np.ascontiguousarray(np.moveaxis(value, -1, 1)))[None]
        for name, value in images.items()
    }
    return values, pixels
