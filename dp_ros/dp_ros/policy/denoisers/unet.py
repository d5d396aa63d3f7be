# SPDX-License-Identifier: Apache-2.0
"""The conditional 1-D U-Net of Diffusion Policy (Chi et al. 2023), convolving over time.

Every residual block is modulated by the conditioning through FiLM (Perez et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dp_ros.policy.denoisers.denoiser import Denoiser, DenoiserNetwork, Shapes
from dp_ros.policy.denoisers.timestep import TimestepEmbedding
from dp_ros.values import require
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig


@dataclass(frozen=True)
class Unet(Denoiser):
    """Settings of the U-Net.

    :param down_dims: channels of each level; the length halves from one level to the next.
    :param out_groups: groups of the last norm; 0: ``n_groups``. The networks of Diffusion Policy
        and LeRobot always have 8 there.
    :param film_scale: whether FiLM scales and shifts; false: it only shifts.
    :param skips: input that a level on the way up gets from the way down: ``above``, the output
        of the level that it leads to (Ronneberger et al. 2015), or ``own``, the output of its own
        level, as in Diffusion Policy and LeRobot; the first level's output is then unused.
    """

    name: ClassVar = 'unet'
    choices: ClassVar = {'skips': ('above', 'own')}
    lowest: ClassVar = {'n_groups': 1, 'kernel_size': 1, 'timestep_dim': 2, 'out_groups': 0}

    down_dims: tuple[int, ...] = (48, 96, 192)
    kernel_size: int = 5
    n_groups: int = 8
    timestep_dim: int = 64
    out_groups: int = 0
    film_scale: bool = True
    skips: str = 'above'

    def __post_init__(self) -> None:
        super().__post_init__()
        dims, groups = self.down_dims, self.n_groups
        require(
            bool(dims) and all(dim > 0 and dim % groups == 0 for dim in dims),
            f'unet.down_dims = {dims}: needs multiples of n_groups = {groups}, for the group norm',
        )
        require(
            self.out_groups == 0 or dims[0] % self.out_groups == 0,
            f'unet.out_groups = {self.out_groups}: needs a divisor of down_dims[0] = {dims[0]}',
        )
        for key, remainder, kind in (('kernel_size', 1, 'odd'), ('timestep_dim', 0, 'even')):
            value = getattr(self, key)
            require(value % 2 == remainder, f'unet.{key} = {value}: needs an {kind} one')

    def check(self, policy: PolicyConfig) -> None:
        """Check that the horizon can be halved from level to level."""
        shrink = 2 ** (len(self.down_dims) - 1)
        require(
            policy.horizon % shrink == 0,
            f'horizon = {policy.horizon}: needs a multiple of {shrink}, for '
            f'{len(self.down_dims)} levels of unet.down_dims',
        )

    def make(self, shapes: Shapes) -> ConditionalUnet1D:
        """Make the U-Net."""
        return ConditionalUnet1D(shapes, self)


class ConvBlock(nn.Sequential):
    """Convolution, group norm, Mish; keeps the length."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int, n_groups: int) -> None:
        super().__init__(
            nn.Conv1d(n_in, n_out, kernel_size, padding=kernel_size // 2),
            nn.GroupNorm(n_groups, n_out),
            nn.Mish(),
        )


class ResidualBlock(nn.Module):
    """Two convolutions with FiLM between them, and a skip connection.

    ``film`` maps the conditioning to the scales and shifts (B, n_film) that ``forward`` takes.
    """

    def __init__(self, n_in: int, n_out: int, cond_dim: int, settings: Unet) -> None:
        super().__init__()
        kernel_size, n_groups = settings.kernel_size, settings.n_groups
        self.film_scale = settings.film_scale
        self.n_film = 2 * n_out if self.film_scale else n_out
        self.first = ConvBlock(n_in, n_out, kernel_size, n_groups)
        self.second = ConvBlock(n_out, n_out, kernel_size, n_groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(cond_dim, self.n_film))
        self.around = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T)."""
        return self.second(self._modulate(self.first(x), film[:, :, None])) + self.around(x)

    def _modulate(self, x: Tensor, film: Tensor) -> Tensor:
        if not self.film_scale:
            return x + film
        scale, shift = film.chunk(2, dim=1)
        return scale * x + shift


class Level(nn.Module):
    """Two residual blocks."""

    def __init__(self, n_in: int, n_out: int, cond_dim: int, settings: Unet) -> None:
        super().__init__()
        self.first = ResidualBlock(n_in, n_out, cond_dim, settings)
        self.second = ResidualBlock(n_out, n_out, cond_dim, settings)

    def forward(self, x: Tensor, films: Iterator[Tensor]) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T), each block with the next of ``films``."""
        return self.second(self.first(x, next(films)), next(films))


class ConditionalUnet1D(DenoiserNetwork):
    """Denoiser: sample (B, T, n_in), timesteps (B,), conditioning (B, D) → (B, T, n_out)."""

    def __init__(self, shapes: Shapes, settings: Unet) -> None:
        super().__init__()
        self.timestep = TimestepEmbedding(settings.timestep_dim)
        cond_dim = settings.timestep_dim + shapes.cond_dim
        dims = settings.down_dims

        def level(n_in: int, n_out: int) -> Level:
            return Level(n_in, n_out, cond_dim, settings)

        widths = [shapes.n_in, *dims]
        steps = list(zip(widths[:-1], widths[1:], strict=True))
        self.down = nn.ModuleList(level(n_in, n_out) for n_in, n_out in steps)
        self.shrink = nn.ModuleList(nn.Conv1d(dim, dim, 3, 2, 1) for dim in dims[:-1])
        self.middle = level(dims[-1], dims[-1])
        self.own_skips = settings.skips == 'own'
        climb = [(below, above) for above, below in reversed(steps[1:])]
        grown = [above if self.own_skips else below for below, above in climb]
        self.grow = nn.ModuleList(nn.ConvTranspose1d(dim, dim, 4, 2, 1) for dim in grown)
        self.up = nn.ModuleList(
            level(below + (below if self.own_skips else above), above) for below, above in climb
        )
        groups = settings.out_groups or settings.n_groups
        self.out = nn.Sequential(
            ConvBlock(dims[0], dims[0], settings.kernel_size, groups),
            nn.Conv1d(dims[0], shapes.n_out, 1),
        )

    def prepare(self, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return the scales and shifts of all blocks, (B, F)."""
        told = torch.cat([self.timestep(timestep), cond], dim=-1)
        return torch.cat([block.film(told) for block in self._blocks()], dim=-1)

    def predict(self, sample: Tensor, prepared: Tensor) -> Tensor:
        """Return the prediction (B, T, n_out)."""
        sizes = [block.n_film for block in self._blocks()]
        films = iter(torch.split(prepared, sizes, dim=-1))
        x = sample.transpose(1, 2)
        skips = []
        for level, shrink in zip(self.down, [*self.shrink, nn.Identity()], strict=True):
            x = level(x, films)
            skips.append(x)
            x = shrink(x)
        x = self.middle(x, films)
        offered = reversed(skips[1:] if self.own_skips else skips[:-1])
        for grow, level, skip in zip(self.grow, self.up, offered, strict=True):
            if self.own_skips:
                x = grow(level(torch.cat([x, skip], dim=1), films))
            else:
                x = level(torch.cat([grow(x), skip], dim=1), films)
        return self.out(x).transpose(1, 2)

    def _blocks(self) -> list[Any]:
        """Return the residual blocks in the order in which a sample passes them."""
        levels: list[Any] = [*self.down, self.middle, *self.up]
        return [block for level in levels for block in (level.first, level.second)]
