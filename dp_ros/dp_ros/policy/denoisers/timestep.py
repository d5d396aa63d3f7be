# SPDX-License-Identifier: Apache-2.0
"""Embeddings of the timestep."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Sinusoid(nn.Module):
    """Sines, then cosines, of the timestep (B,) → (B, dim), as in Vaswani et al. 2017."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self._half = dim // 2

    def forward(self, timestep: Tensor) -> Tensor:
        """Embed the timesteps."""
        steps = torch.arange(self._half, device=timestep.device)
        frequencies = torch.exp(steps * (-math.log(10_000) / max(self._half - 1, 1)))
        angles = timestep.to(torch.float32)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class TimestepEmbedding(nn.Module):
    """Sinusoidal embedding of the timestep (B,) → (B, dim), then two layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.sinusoid = Sinusoid(dim)
        self.layers = nn.Sequential(nn.Linear(dim, 4 * dim), nn.Mish(), nn.Linear(4 * dim, dim))

    def forward(self, timestep: Tensor) -> Tensor:
        """Embed the timesteps."""
        return self.layers(self.sinusoid(timestep))
