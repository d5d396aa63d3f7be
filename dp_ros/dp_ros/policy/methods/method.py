# SPDX-License-Identifier: Apache-2.0
"""The interface of methods: a loss for training, and a walk from noise to a chunk."""

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
"""A function that returns Gaussian noise with the shape and the device of a tensor."""


@dataclass(frozen=True)
class Method(Component):
    """Method by which a policy learns chunks of actions; all values are normalised.

    :cvar samplers: names of the samplers, the default first; empty where nothing is denoised.
    :cvar stochastic: whether the chunk depends on the noise.
    :cvar conditionings: how chunks can be conditioned on committed actions (`prefix`).
    :cvar betas: decay rates of the optimiser's averages, those of Diffusion Policy.
    """

    samplers: ClassVar[tuple[str, ...]] = ()
    stochastic: ClassVar[bool] = True
    conditionings: ClassVar[tuple[str, ...]] = ('guided',)
    betas: ClassVar[tuple[float, float]] = (0.95, 0.999)

    @property
    def max_inference_steps(self) -> int:
        """Most denoising steps; 1 where nothing is denoised."""
        return 1

    def n_in(self, n_joints: int) -> int:
        """Return the number of channels of the denoiser's sample."""
        return n_joints

    def n_out(self, n_joints: int) -> int:
        """Return the number of channels of the denoiser's prediction."""
        return n_joints

    def check_complete(self) -> None:
        """Check that no setting is left for training to fill in.

        :raises ConfigError: naming what is missing.
        """

    def make_auxiliary(
        self, network: PolicyNetwork, teacher: PolicyNetwork | None = None
    ) -> nn.Module | None:
        """Make the additional network that only training needs, or None.

        A method that starts from trained weights copies them into ``network``.

        :param teacher: network of the policy that a distillation learns from.
        """
        return None

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None
    ) -> Tensor:
        """Return the loss that training minimises.

        :param actions: (B, Tp, J) demonstrated actions; ``cond``: (B, D) conditioning.
        :param auxiliary: network that ``make_auxiliary`` made.
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
        """Yield the chunk (B, Tp, J) after every step; the last one is the result.

        :param noise: (B, Tp, n_in) noise to start from; ``cond``: (B, D) conditioning.
        :param draw: function that draws the noise that is added on the way.
        """
        raise NotImplementedError

    def answer(self, actions: Tensor, sample: Tensor, timestep: Tensor) -> Tensor:
        """Return the prediction (B, Tp, n_out) by which a sample becomes these actions.

        :param actions: (B, Tp, J); ``sample``: (B, Tp, n_in) at ``timestep`` (B,).
        """
        return actions

    def sampler(self, wanted: str) -> str:
        """Return the sampler, for 'auto' the default; the method's name if it has none."""
        if not self.samplers:
            return self.name
        return self.samplers[0] if wanted == 'auto' else wanted

    def check_sampling(self, sampler: str, num_inference_steps: int) -> None:
        """Check sampler and number of steps; a method without samplers takes any.

        :param sampler: one of ``samplers``, or 'auto' for the first.
        :raises ConfigError: when this method cannot use them.
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
    """Draw by a generator of the CPU, so that a seed gives the same noise on every device."""

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like.device)

    return draw


def ask(denoise: Denoise, sample: Tensor, cond: Tensor) -> Tensor:
    """Call the network once, at timestep 0, for methods that do not denoise."""
    return denoise(sample, sample.new_zeros(len(sample)), cond)
