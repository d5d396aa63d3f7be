# SPDX-License-Identifier: Apache-2.0
"""What every method has in common: a loss to learn by, and a walk from noise to a chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dp_ros.policy.component import Component
from dp_ros.values import ConfigError
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dp_ros.policy.network import PolicyNetwork

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(sample (B, Tp, n_in), timestep (B,), conditioning (B, D)) → prediction (B, Tp, n_out)."""

Draw = Callable[[Tensor], Tensor]
"""Gives fresh Gaussian noise, of the shape and on the device of a tensor."""


@dataclass(frozen=True)
class Method(Component):
    """What a policy learns about chunks of actions, all in normalised values.

    :cvar samplers: the ways to denoise a chunk, the default first; empty where none is.
    :cvar stochastic: whether the noise decides about the chunk.
    :cvar betas: decay of the optimiser's averages; Diffusion Policy's.
    """

    samplers: ClassVar[tuple[str, ...]] = ()
    stochastic: ClassVar[bool] = True
    betas: ClassVar[tuple[float, float]] = (0.95, 0.999)

    @property
    def max_inference_steps(self) -> int:
        """Most denoising steps; 1 where nothing is denoised."""
        return 1

    def n_in(self, n_joints: int) -> int:
        """Return the channels of the sample that the denoiser takes."""
        return n_joints

    def n_out(self, n_joints: int) -> int:
        """Return the channels of what the denoiser predicts."""
        return n_joints

    def check_complete(self) -> None:
        """Refuse settings of which training has yet to fill in some.

        :raises ConfigError: naming what is missing.
        """

    def make_auxiliary(
        self, network: PolicyNetwork, teacher: PolicyNetwork | None = None
    ) -> nn.Module | None:
        """Make the network that only training needs besides the policy's own, or None.

        A method that starts from trained weights puts them into ``network``.

        :param teacher: the policy that a distillation learns from.
        """
        return None

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None
    ) -> Tensor:
        """Return what is minimised.

        :param actions: (B, Tp, J); ``cond``: (B, D); ``auxiliary``: what
            ``make_auxiliary`` made.
        """
        raise NotImplementedError

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the chunk (B, Tp, J) after every step; the last one is the answer.

        :param noise: (B, Tp, n_in) to start from; ``cond``: (B, D).
        :param draw: gives whatever noise is added on the way.
        """
        raise NotImplementedError

    def sampler(self, wanted: str) -> str:
        """Return the sampler that 'auto' means; what it is called where there is none."""
        if not self.samplers:
            return self.name
        return self.samplers[0] if wanted == 'auto' else wanted

    def check_sampling(self, sampler: str, num_inference_steps: int) -> None:
        """Check how chunks are to be drawn; a method without samplers takes anything.

        :param sampler: one of ``samplers``, or 'auto' for the first.
        :raises ConfigError: when this method cannot do it.
        """
        if not self.samplers:
            return
        if sampler not in ('auto', *self.samplers):
            raise ConfigError(f'sampler = {sampler!r}: needs one of {("auto", *self.samplers)}')
        if not 1 <= num_inference_steps <= self.max_inference_steps:
            raise ConfigError(
                f'num_inference_steps = {num_inference_steps}: needs 1 to '
                f'{self.max_inference_steps}'
            )


def drawn_from(generator: torch.Generator) -> Draw:
    """Draw by a generator of the CPU, so that a seed means the same noise on every device."""

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like.device)

    return draw


def ask(denoise: Denoise, sample: Tensor, cond: Tensor) -> Tensor:
    """Ask the network once, at timestep 0, as methods do that do not denoise."""
    return denoise(sample, sample.new_zeros(len(sample)), cond)
