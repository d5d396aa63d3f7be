# SPDX-License-Identifier: Apache-2.0
"""Eager PyTorch: the reference, on any device."""

from __future__ import annotations

from collections.abc import Iterator

from dp_ros.arrays import Floats
from dp_ros.policy.engines.engine import Images, to_tensors
from dp_ros.policy.methods.method import Draw
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.prefix import Prefix, committed
import torch
from torch import Tensor


class TorchEngine:
    """Eager PyTorch."""

    name = 'torch'

    def __init__(self, network: PolicyNetwork, device: str) -> None:
        self._network = network.to(device).eval()
        self.device = device

    @torch.no_grad()
    def condition(self, state: Floats, images: Images) -> Tensor:
        """Encode the observation."""
        values, pixels = to_tensors(state, images)
        moved = {name: value.to(self.device) for name, value in pixels.items()}
        return self._network.condition(values.to(self.device), moved)

    @torch.no_grad()
    def walk(
        self,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
        prefix: Prefix | None = None,
    ) -> Iterator[Tensor]:
        """Denoise on the device; every step runs the whole denoiser."""
        start, told = noise.to(self.device), cond.expand(len(noise), -1)
        config = self._network.config
        moved = None if prefix is None else prefix.to(self.device)
        denoise = committed(config, self._network.denoise, moved)
        walk = config.method.walk
        yield from walk(denoise, start, told, sampler, num_inference_steps, draw)
