# SPDX-License-Identifier: Apache-2.0
"""A recurrent network over the actions of a chunk, as used in behaviour cloning.

With the method `mixture` it is the LSTM-GMM of Mandlekar et al. 2021. Every step sees the same
conditioning and its own value of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dp_ros.policy.denoisers.denoiser import Denoiser, DenoiserNetwork, Shapes
from dp_ros.policy.denoisers.timestep import TimestepEmbedding
from dp_ros.values import require
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Lstm(Denoiser):
    """Settings of the network."""

    name: ClassVar = 'lstm'
    lowest: ClassVar = {'hidden_dim': 1, 'n_layers': 1, 'timestep_dim': 2}
    highest: ClassVar = {'n_layers': 256}

    hidden_dim: int = 256
    n_layers: int = 2
    timestep_dim: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.timestep_dim % 2 == 0,
            f'lstm.timestep_dim = {self.timestep_dim}: needs an even one',
        )

    def make(self, shapes: Shapes) -> ConditionalLstm:
        """Make the network."""
        return ConditionalLstm(shapes, self.hidden_dim, self.n_layers, self.timestep_dim)


class ConditionalLstm(DenoiserNetwork):
    """Denoiser: sample (B, T, n_in), timesteps (B,), conditioning (B, D) → (B, T, n_out)."""

    def __init__(self, shapes: Shapes, hidden_dim: int, n_layers: int, timestep_dim: int) -> None:
        super().__init__()
        self.timestep = TimestepEmbedding(timestep_dim)
        n_seen = shapes.n_in + shapes.cond_dim + timestep_dim
        self.lstm = nn.LSTM(n_seen, hidden_dim, n_layers, batch_first=True)
        self.out = nn.Linear(hidden_dim, shapes.n_out)

    def prepare(self, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return the input of every step besides the sample, (B, D + timestep_dim)."""
        return torch.cat([self.timestep(timestep), cond], dim=-1)

    def predict(self, sample: Tensor, prepared: Tensor) -> Tensor:
        """Return the prediction (B, T, n_out)."""
        told = prepared[:, None].expand(len(sample), sample.shape[1], -1)
        hidden, _ = self.lstm(torch.cat([sample, told], dim=-1))
        return self.out(hidden)
