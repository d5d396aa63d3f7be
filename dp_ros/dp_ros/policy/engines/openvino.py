# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on a CPU.

At batch 1 PyTorch bypasses oneDNN for small convolutions. OpenVINO computes the same networks
several times faster. It gains from fixed shapes, from tensors that stay in place, and from
preparing at once, for all steps of a chunk, whatever does not depend on the noisy sample.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cache, cached_property
import sys
from typing import Any
import warnings

from dp_ros.arrays import Floats
from dp_ros.policy.denoisers.denoiser import DenoiserNetwork
from dp_ros.policy.engines.engine import Images, to_tensors
from dp_ros.policy.methods.method import Denoise, Draw, Method
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.prefix import Prefix, committed
from numpy.typing import NDArray
import torch
from torch import Tensor, nn


class OpenVinoEngine:
    """The same networks, compiled by OpenVINO in float32."""

    name = 'openvino'
    device = 'cpu'

    def __init__(self, network: PolicyNetwork, num_threads: int) -> None:
        self._network = network.cpu().eval()
        self._num_threads = num_threads
        config, shapes = network.config, network.shapes
        state = torch.zeros(1, config.n_obs_steps, len(config.observed_names))
        images = [
            torch.zeros(1, config.n_obs_steps, 3, *size, dtype=torch.uint8)
            for size in config.image_sizes.values()
        ]
        self._names = config.camera_names
        self._condition = _Compiled(_Condition(network), (state, *images), num_threads)
        told = (torch.zeros(1), torch.zeros(1, shapes.cond_dim))
        self._prepare = _Compiled(_Prepare(network.denoiser), told, num_threads, any_batch=True)
        with torch.no_grad():
            prepared = network.denoiser.prepare(*told)
        self._example = (torch.zeros(1, shapes.horizon, shapes.n_in), prepared)
        self._predict_one = self._compile_predict(any_batch=False)

    def condition(self, state: Floats, images: Images) -> Tensor:
        """Encode the observation."""
        values, pixels = to_tensors(state, images)
        return self._condition(values, *(pixels[name] for name in self._names))

    def walk(
        self,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
        prefix: Prefix | None = None,
    ) -> Iterator[Tensor]:
        """Denoise with everything prepared that does not depend on the sample."""
        config, n_out = self._network.config, self._network.shapes.n_out
        method = config.method
        asked = _timesteps(method, config.n_noise, n_out, sampler, num_inference_steps)
        denoise = committed(config, self._denoiser(asked, cond), prefix)
        told = cond.expand(len(noise), -1)
        return method.walk(denoise, noise, told, sampler, num_inference_steps, draw)

    def _denoiser(self, timesteps: tuple[float, ...], cond: Tensor) -> Denoise:
        rows = self._prepare(torch.tensor(timesteps), cond.expand(len(timesteps), -1))
        prepared = dict(zip(timesteps, rows[:, None], strict=True))

        def denoise(sample: Tensor, timestep: Tensor, _: Tensor) -> Tensor:
            row = prepared[float(timestep[0])]
            if len(sample) == 1:
                return self._predict_one(sample, row)
            return self._predict_many(sample, row.expand(len(sample), *row.shape[1:]))

        return denoise

    @cached_property
    def _predict_many(self) -> _Compiled:
        """The network for several samples at a time, compiled at first use."""
        return self._compile_predict(any_batch=True)

    def _compile_predict(self, any_batch: bool) -> _Compiled:
        module = _Predict(self._network.denoiser)
        return _Compiled(module, self._example, self._num_threads, any_batch)


@cache
def _timesteps(
    method: Method, n_in: int, n_out: int, sampler: str, num_inference_steps: int
) -> tuple[float, ...]:
    """Return the timesteps at which a walk calls the denoiser."""
    asked: dict[float, None] = {}

    def note(sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        asked[float(timestep[0])] = None
        return sample.new_zeros(1, 1, n_out)

    noise = torch.zeros(1, 1, n_in)
    deque(method.walk(note, noise, noise[0], sampler, num_inference_steps, torch.zeros_like), 0)
    return tuple(asked)


class _Compiled:
    """A module compiled by OpenVINO; its input tensors stay in place.

    :param any_batch: whether the first dimension of every input stays open.
    """

    def __init__(
        self,
        module: nn.Module,
        example: tuple[Tensor, ...],
        num_threads: int,
        any_batch: bool = False,
    ) -> None:
        openvino = import_openvino()
        trace: Any = torch.jit.trace
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # torch: tracing is deprecated; OpenVINO needs it.
            traced = trace(module.eval(), example, check_trace=False)
            model = openvino.convert_model(traced, example_input=example)
        shapes = [[-1 if any_batch else 1, *value.shape[1:]] for value in example]
        model.reshape(dict(enumerate(shapes)))
        settings = {
            'INFERENCE_NUM_THREADS': num_threads,
            'INFERENCE_PRECISION_HINT': 'f32',
            'PERFORMANCE_HINT': 'LATENCY',
            'SNIPPETS_MODE': 'DISABLE',  # Snippets lack Mish, and fail with fixed shapes.
        }
        compiled = openvino.Core().compile_model(model, 'CPU', settings)
        self._request = compiled.create_infer_request()
        self._places: list[NDArray[Any]] = []

    def __call__(self, *values: Tensor) -> Tensor:
        """Return the module's output."""
        if not self._places or len(self._places[0]) != len(values[0]):
            self._places = [self._place(*each) for each in enumerate(values)]
        for place, value in zip(self._places, values, strict=True):
            place[...] = value.detach().numpy()
        self._request.infer()
        return torch.from_numpy(self._request.get_output_tensor(0).data.copy())

    def _place(self, index: int, value: Tensor) -> NDArray[Any]:
        """Return the input tensor that holds this value."""
        tensor = self._request.get_input_tensor(index)
        tensor.shape = value.shape
        room: NDArray[Any] = tensor.data
        return room


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which sends data over the network."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault('openvino_telemetry', None)  # As if it were not installed.
    import openvino

    return openvino


class _Condition(nn.Module):
    """The conditioning with images as positional arguments, as tracing needs them."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, state: Tensor, *images: Tensor) -> Tensor:
        names = self.network.config.camera_names
        return self.network.condition(state, dict(zip(names, images, strict=True)))


class _Prepare(nn.Module):
    """A denoiser's first part, as tracing needs it."""

    def __init__(self, denoiser: DenoiserNetwork) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, timestep: Tensor, cond: Tensor) -> Tensor:
        return self.denoiser.prepare(timestep, cond)


class _Predict(_Prepare):
    """A denoiser's second part."""

    def forward(self, sample: Tensor, prepared: Tensor) -> Tensor:
        return self.denoiser.predict(sample, prepared)
