# SPDX-License-Identifier: Apache-2.0
"""Embeddings of the timestep."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Sinusoid(nn.Module):
    """Sines, then cosines, of the timestep (B,) → (B, dim), as in Vaswani et al. 2017."""

    frequencies: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        frequencies = torch.exp(torch.arange(half) * (-math.log(10_000) / max(half - 1, 1)))
        self.register_buffer('frequencies', frequencies, persistent=False)

    def forward(self, timestep: Tensor) -> Tensor:
        """Embed the timesteps."""
        angles = timestep.to(torch.float32)[:, None] * self.frequencies
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
