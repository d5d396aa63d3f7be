# SPDX-License-Identifier: Apache-2.0
"""What every denoiser has in common: sample, timestep and conditioning in, a chunk out."""

from __future__ import annotations

from dataclasses import dataclass

from dp_ros.policy.component import Component
from torch import nn


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

    def make(self, shapes: Shapes) -> nn.Module:
        """Make the network.

        It takes sample (B, Tp, n_in), timestep (B,) and conditioning (B, To · frame_dim).
        """
        raise NotImplementedError
