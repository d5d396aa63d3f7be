# SPDX-License-Identifier: Apache-2.0
"""The common interface of denoisers: sample, timestep and conditioning in, prediction out."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.policy.component import Component
from torch import Tensor, nn


@dataclass(frozen=True)
class Shapes:
    """Shapes of a denoiser: (B, Tp, n_in), (B,), (B, To · frame_dim) → (B, Tp, n_out)."""

    n_in: int
    n_out: int
    horizon: int
    n_obs_steps: int
    frame_dim: int

    @property
    def cond_dim(self) -> int:
        """Number of values of the conditioning, over all frames."""
        return self.n_obs_steps * self.frame_dim


class Denoiser(Component):
    """Settings of a denoiser; ``make`` builds its network."""

    def make(self, shapes: Shapes) -> DenoiserNetwork:
        """Make the network."""
        raise NotImplementedError


class DenoiserNetwork(nn.Module):
    """Sample (B, Tp, n_in), timestep (B,), conditioning (B, To · frame_dim) → (B, Tp, n_out).

    It works in two parts: ``prepare`` does not depend on the sample, so that it runs once for all
    timesteps of a chunk.
    """

    def forward(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return the prediction (B, Tp, n_out)."""
        return self.predict(sample, self.prepare(timestep, cond))

    def prepare(self, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return (B, ...) what ``predict`` needs of timesteps and conditioning."""
        raise NotImplementedError

    def predict(self, sample: Tensor, prepared: Tensor) -> Tensor:
        """Return the prediction, with one prepared value for each sample or one for all."""
        raise NotImplementedError
