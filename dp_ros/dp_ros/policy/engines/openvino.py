# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on a CPU.

At batch 1 PyTorch bypasses oneDNN for small convolutions. OpenVINO computes the same networks
several times faster. It gains from fixed shapes, from tensors that stay in place, from preparing
at once, for all steps of a chunk, whatever does not depend on the noisy sample, and from computing
all steps by one call where it can (`openvino_loop`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cache, cached_property
from typing import Final

from dp_ros.arrays import Floats
from dp_ros.policy.denoisers.denoiser import DenoiserNetwork
from dp_ros.policy.engines.compiled import Compiled, convert
from dp_ros.policy.engines.engine import Images, to_tensors
from dp_ros.policy.engines.openvino_loop import Loop, can_loop
from dp_ros.policy.methods.method import Denoise, Draw, Method
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.prefix import Prefix, committed
import torch
from torch import Tensor, nn

_MOST_LOOPS: Final = 4


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
        self._condition = Compiled(convert(_Condition(network), (state, *images)), num_threads)
        told = (torch.zeros(1), torch.zeros(1, shapes.cond_dim))
        prepare = convert(_Prepare(network.denoiser), told, any_batch=True)
        self._prepare = Compiled(prepare, num_threads)
        with torch.no_grad():
            prepared = network.denoiser.prepare(*told)
        self._example = (torch.zeros(1, shapes.horizon, shapes.n_in), prepared)
        self._loops: dict[tuple[str, int], Loop] = {}

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
        if can_loop(config, len(noise), sampler, num_inference_steps, prefix):
            return self._loop(sampler, num_inference_steps)(noise, cond, draw, prefix)
        asked = _timesteps(method, config.n_noise, n_out, sampler, num_inference_steps)
        denoise = committed(config, self._denoiser(asked, cond), prefix)
        told = cond.expand(len(noise), -1)
        return method.walk(denoise, noise, told, sampler, num_inference_steps, draw)

    def _loop(self, sampler: str, num_inference_steps: int) -> Loop:
        """Return the loop, compiled for the first chunk of its kind."""
        key = (sampler, num_inference_steps)
        if key not in self._loops:
            if len(self._loops) == _MOST_LOOPS:
                self._loops.clear()
            self._loops[key] = Loop(self._network, *key, self._num_threads)
        return self._loops[key]

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
    def _predict_one(self) -> Compiled:
        """The network for one sample, compiled at first use."""
        return self._compile_predict(any_batch=False)

    @cached_property
    def _predict_many(self) -> Compiled:
        """The network for several samples at a time, compiled at first use."""
        return self._compile_predict(any_batch=True)

    def _compile_predict(self, any_batch: bool) -> Compiled:
        predict = convert(_Predict(self._network.denoiser), self._example, any_batch)
        return Compiled(predict, self._num_threads)


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
