# SPDX-License-Identifier: Apache-2.0
"""The sampling loop of one chunk as one graph of OpenVINO, without Python between its steps.

```
conditioning ──→ prepare ──→ rows of all steps ──┐
factors of all steps, timesteps, drawn noise ────┤ one of each per turn
noise ──→ sample ──→ body: denoise, step ────────┴──→ sample ──→ …      all samples
              committed actions ──↑
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.lstm import Lstm
from dp_ros.policy.engines.compiled import Compiled, convert, import_openvino
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.method import Draw
from dp_ros.policy.methods.schedulers import TABLED, make_steps, step_by
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.prefix import Prefix, committed
import numpy as np
import torch
from torch import Tensor, nn

_MOST_STEPS: Final = 20
"""Longest loop: one call cannot be stopped, and chunks of many steps gain little by it."""


def can_loop(
    config: PolicyConfig,
    n_samples: int,
    sampler: str,
    num_inference_steps: int,
    prefix: Prefix | None,
) -> bool:
    """Tell whether chunks of a kind can be made by a loop."""
    return (
        isinstance(config.method, Diffusion)
        and not isinstance(config.denoiser, Lstm)  # OpenVINO allows no loop in a loop.
        and sampler in TABLED
        and n_samples == 1
        and num_inference_steps <= _MOST_STEPS
        and (prefix is None or config.max_delay > 0)
    )


class Loop:
    """DDIM or DDPM with a fixed number of steps.

    A policy that was trained with committed actions gets them in every chunk, none as zeros.
    """

    def __init__(
        self, network: PolicyNetwork, sampler: str, num_inference_steps: int, num_threads: int
    ) -> None:
        config = network.config
        assert isinstance(config.method, Diffusion)
        self._steps = make_steps(config.method, sampler, num_inference_steps)
        chunk = torch.zeros(1, config.horizon, config.n_noise)
        self._free: tuple[Tensor, ...] = ()
        if config.max_delay > 0:
            told, pull = chunk[..., :1], torch.zeros(1, config.horizon, config.horizon)
            self._free = Prefix(chunk, told, pull).tensors
        config.method.signal(torch.tensor([0]))  # Its tables are made before the trace.
        graph = self._graph(network, config.method.clip_sample, chunk)
        self._compiled = Compiled(graph, num_threads)

    def __call__(
        self, noise: Tensor, cond: Tensor, draw: Draw, prefix: Prefix | None
    ) -> Iterator[Tensor]:
        """Yield the samples; all noise is drawn before the first step, in the usual order."""
        yield noise
        drawn = [draw(noise) if step.noise else torch.zeros_like(noise) for step in self._steps]
        begin = self._free if prefix is None else prefix.tensors
        for sample in self._compiled(noise, cond, torch.cat(drawn), *begin):
            yield sample[None]

    def _graph(self, network: PolicyNetwork, clip: bool, chunk: Tensor) -> Any:
        openvino = import_openvino()
        from openvino.op import tensor_iterator

        ops, n_steps = openvino.opset13, len(self._steps)
        timesteps = torch.tensor([step.timestep for step in self._steps])
        factors = torch.tensor([step.factors for step in self._steps])
        cond = torch.zeros(1, network.shapes.cond_dim)
        prepare = convert(_PrepareAll(network, timesteps), (cond,))
        row = torch.zeros(1, *list(prepare.output(0).shape)[1:])
        example = (chunk, row, timesteps[:1], factors[:1], chunk, *self._free)
        body = convert(_Turn(network, clip), example)
        inputs = [ops.parameter([*value.shape], np.float32) for value in (chunk, *self._free)]
        drawn = ops.parameter([n_steps, *chunk.shape[1:]], np.float32)
        of_turn = (
            prepare.get_results()[0].input_value(0),
            ops.constant(timesteps.numpy()).output(0),
            ops.constant(factors.numpy()).output(0),
            drawn.output(0),
        )
        loop, (sample, *given), (moved,) = (
            tensor_iterator(),
            body.get_parameters(),
            body.get_results(),
        )
        loop.set_body(body)
        loop.set_merged_input(sample, inputs[0].output(0), moved.output(0))
        for parameter, values in zip(given, of_turn, strict=False):
            loop.set_sliced_input(parameter, values, 0, 1, 1, -1, 0)
        for parameter, value in zip(given[len(of_turn) :], inputs[1:], strict=True):
            loop.set_invariant_input(parameter, value.output(0))
        samples = loop.get_concatenated_slices(moved.output(0), 0, 1, 1, -1, 0)
        order = [inputs[0], *prepare.get_parameters(), drawn, *inputs[1:]]
        return openvino.Model([ops.result(samples)], order, 'loop')


class _PrepareAll(nn.Module):
    """A denoiser's first part for all steps."""

    timesteps: Tensor

    def __init__(self, network: PolicyNetwork, timesteps: Tensor) -> None:
        super().__init__()
        self.denoiser = network.denoiser
        self.register_buffer('timesteps', timesteps.float())

    def forward(self, cond: Tensor) -> Tensor:
        return self.denoiser.prepare(self.timesteps, cond.expand(len(self.timesteps), -1))


class _Turn(nn.Module):
    """One step: from a sample to the next."""

    def __init__(self, network: PolicyNetwork, clip: bool) -> None:
        super().__init__()
        self.denoiser, self.config, self.clip = network.denoiser, network.config, clip

    def forward(
        self,
        sample: Tensor,
        row: Tensor,
        timestep: Tensor,
        factors: Tensor,
        drawn: Tensor,
        *begin: Tensor,
    ) -> Tensor:
        denoise = committed(
            self.config,
            lambda seen, timestep, cond: self.denoiser.predict(seen, row),
            Prefix(*begin) if begin else None,
        )
        prediction = denoise(sample, timestep, row)
        return step_by(factors[0], self.clip, sample, prediction, drawn)
