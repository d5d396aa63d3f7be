# SPDX-License-Identifier: Apache-2.0
"""The conditional 1-D U-Net of Diffusion Policy (Chi et al. 2023), convolving over time.

Every residual block is modulated by the conditioning through FiLM (Perez et al. 2018), with scale
and shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import TYPE_CHECKING, ClassVar

from dp_ros.policy.component import require
from dp_ros.policy.denoisers.denoiser import Denoiser, Shapes
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig


@dataclass(frozen=True)
class Unet(Denoiser):
    """The U-Net's settings.

    :param down_dims: channels of each level; the length halves from one level to the next.
    """

    name: ClassVar = 'unet'
    lowest: ClassVar = {'n_groups': 1, 'kernel_size': 1, 'timestep_dim': 2}

    down_dims: tuple[int, ...] = (48, 96, 192)
    kernel_size: int = 5
    n_groups: int = 8
    timestep_dim: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        dims, groups = self.down_dims, self.n_groups
        require(
            bool(dims) and all(dim > 0 and dim % groups == 0 for dim in dims),
            f'unet.down_dims = {dims}: needs multiples of n_groups = {groups}, for the group norm',
        )
        for key, remainder, kind in (('kernel_size', 1, 'odd'), ('timestep_dim', 0, 'even')):
            value = getattr(self, key)
            require(value % 2 == remainder, f'unet.{key} = {value}: needs an {kind} one')

    def check(self, policy: PolicyConfig) -> None:
        """Refuse a horizon that cannot be halved from level to level."""
        shrink = 2 ** (len(self.down_dims) - 1)
        require(
            policy.horizon % shrink == 0,
            f'horizon = {policy.horizon}: needs a multiple of {shrink}, for '
            f'{len(self.down_dims)} levels of unet.down_dims',
        )

    def make(self, shapes: Shapes) -> ConditionalUnet1D:
        """Make the U-Net."""
        return ConditionalUnet1D(
            shapes.n_in,
            shapes.n_out,
            shapes.cond_dim,
            self.down_dims,
            self.kernel_size,
            self.n_groups,
            self.timestep_dim,
        )


class TimestepEmbedding(nn.Module):
    """Sinusoidal embedding of the diffusion timestep (B,) → (B, dim), then two layers."""

    frequencies: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        frequencies = torch.exp(torch.arange(half) * (-math.log(10_000) / max(half - 1, 1)))
        self.register_buffer('frequencies', frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(dim, 4 * dim), nn.Mish(), nn.Linear(4 * dim, dim))

    def forward(self, timestep: Tensor) -> Tensor:
        """Embed the timesteps."""
        angles = timestep.to(torch.float32)[:, None] * self.frequencies
        return self.layers(torch.cat([angles.sin(), angles.cos()], dim=-1))


class ConvBlock(nn.Sequential):
    """Convolution, group norm, Mish; keeps the length."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int, n_groups: int) -> None:
        super().__init__(
            nn.Conv1d(n_in, n_out, kernel_size, padding=kernel_size // 2),
            nn.GroupNorm(n_groups, n_out),
            nn.Mish(),
        )


class ResidualBlock(nn.Module):
    """Two convolutions with FiLM between them, and a way around."""

    def __init__(
        self, n_in: int, n_out: int, cond_dim: int, kernel_size: int, n_groups: int
    ) -> None:
        super().__init__()
        self.first = ConvBlock(n_in, n_out, kernel_size, n_groups)
        self.second = ConvBlock(n_out, n_out, kernel_size, n_groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(cond_dim, 2 * n_out))
        self.around = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """Map (B, n_in, T) and (B, cond_dim) to (B, n_out, T)."""
        scale, shift = self.film(cond)[:, :, None].chunk(2, dim=1)
        return self.second(scale * self.first(x) + shift) + self.around(x)


class Level(nn.Module):
    """Two residual blocks."""

    def __init__(
        self, n_in: int, n_out: int, cond_dim: int, kernel_size: int, n_groups: int
    ) -> None:
        super().__init__()
        self.first = ResidualBlock(n_in, n_out, cond_dim, kernel_size, n_groups)
        self.second = ResidualBlock(n_out, n_out, cond_dim, kernel_size, n_groups)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """Map (B, n_in, T) and (B, cond_dim) to (B, n_out, T)."""
        return self.second(self.first(x, cond), cond)


class ConditionalUnet1D(nn.Module):
    """Denoiser: sample (B, T, n_in), timesteps (B,), conditioning (B, D) → (B, T, n_out).

    :param cond_dim: D.
    :param down_dims: channels of each level; the length halves from one level to the next.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        cond_dim: int,
        down_dims: Sequence[int],
        kernel_size: int = 5,
        n_groups: int = 8,
        timestep_dim: int = 64,
    ) -> None:
        super().__init__()
        self.timestep = TimestepEmbedding(timestep_dim)

        def level(n_in: int, n_out: int) -> Level:
            return Level(n_in, n_out, timestep_dim + cond_dim, kernel_size, n_groups)

        widths = [n_in, *down_dims]
        steps = list(zip(widths[:-1], widths[1:], strict=True))
        self.down = nn.ModuleList(level(n_in, n_out) for n_in, n_out in steps)
        self.shrink = nn.ModuleList(nn.Conv1d(dim, dim, 3, 2, 1) for dim in down_dims[:-1])
        self.middle = level(down_dims[-1], down_dims[-1])
        climb = [(below, above) for above, below in reversed(steps[1:])]
        self.grow = nn.ModuleList(nn.ConvTranspose1d(b, b, 4, 2, 1) for b, _ in climb)
        self.up = nn.ModuleList(level(below + above, above) for below, above in climb)
        self.out = nn.Sequential(
            ConvBlock(down_dims[0], down_dims[0], kernel_size, n_groups),
            nn.Conv1d(down_dims[0], n_out, 1),
        )

    def forward(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Predict the noise, or the clean sample, by what it was trained for."""
        cond = torch.cat([self.timestep(timestep), cond], dim=-1)
        x = sample.transpose(1, 2)
        skips = []
        for level, shrink in zip(self.down[:-1], self.shrink, strict=True):
            x = level(x, cond)
            skips.append(x)
            x = shrink(x)
        x = self.middle(self.down[-1](x, cond), cond)
        for grow, level in zip(self.grow, self.up, strict=True):
            x = level(torch.cat([grow(x), skips.pop()], dim=1), cond)
        return self.out(x).transpose(1, 2)
