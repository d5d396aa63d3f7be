# SPDX-License-Identifier: Apache-2.0
"""What every denoiser has in common: sample, timestep and conditioning in, a chunk out."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.policy.component import Component
from torch import Tensor, nn


@dataclass(frozen=True)
class Shapes:
    """What a denoiser maps: (B, Tp, n_in), (B,), (B, To · frame_dim) → (B, Tp, n_out)."""

    n_in: int
    n_out: int
    horizon: int
    n_obs_steps: int
    frame_dim: int

    @property
    def cond_dim(self) -> int:
        """Values of the conditioning: those of all frames."""
        return self.n_obs_steps * self.frame_dim


class Denoiser(Component):
    """Settings of a denoiser; ``make`` makes its network."""

    def make(self, shapes: Shapes) -> DenoiserNetwork:
        """Make the network."""
        raise NotImplementedError


class DenoiserNetwork(nn.Module):
    """Sample (B, Tp, n_in), timestep (B,), conditioning (B, To · frame_dim) → (B, Tp, n_out).

    It works in two parts, so that what the sample does not change can be made ahead of it: for
    all timesteps of a chunk at once.
    """

    def forward(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Predict what it was trained for."""
        return self.predict(sample, self.prepare(timestep, cond))

    def prepare(self, timestep: Tensor, cond: Tensor) -> Tensor:
        """Make (B, ...) of timesteps and conditioning what ``predict`` needs of them."""
        raise NotImplementedError

    def predict(self, sample: Tensor, prepared: Tensor) -> Tensor:
        """Predict, with what was prepared for every sample, or one for all."""
        raise NotImplementedError
