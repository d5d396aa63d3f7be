# SPDX-License-Identifier: Apache-2.0
"""The adversarial baseline: a conditional GAN (Goodfellow et al. 2014; Mirza and Osindero 2014).

The denoiser's network makes a chunk from noise in one step; a critic learns to tell it from a
demonstration. Without more it settles on one of the demonstrated ways; a reward for chunks that
differ counteracts that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from dp_ros.policy.methods.method import Denoise, Draw, Method, ask
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

if TYPE_CHECKING:
    from dp_ros.policy.network import PolicyNetwork


@dataclass(frozen=True)
class Gan(Method):
    """Method that minimises the losses of generator and critic together.

    :param critic_dim: width of the critic's two hidden layers.
    :param gradient_penalty: weight of the critic's squared gradient at demonstrations (gamma of
        R1, Mescheder et al. 2018); without it the two losses do not settle.
    :param diversity: weight of the reward for the distance of two chunks, relative to that of
        their noise (Yang et al. 2019).
    :param diversity_limit: largest distance that is rewarded.
    """

    name: ClassVar = 'gan'
    betas: ClassVar = (0.5, 0.999)  # With more momentum the two losses do not settle.
    lowest: ClassVar = {
        'critic_dim': 1,
        'gradient_penalty': 0.0,
        'diversity': 0.0,
        'diversity_limit': 0.0,
    }

    critic_dim: int = 256
    gradient_penalty: float = 1.0
    diversity: float = 10.0
    diversity_limit: float = 0.2

    def make_auxiliary(
        self, network: PolicyNetwork, teacher: PolicyNetwork | None = None
    ) -> nn.Module:
        """Make the critic."""
        chunk = network.config.horizon * len(network.config.joint_names)
        return Critic(chunk, network.shapes.cond_dim, self.critic_dim)

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None
    ) -> Tensor:
        """Return the sum of critic's and generator's loss (Goodfellow et al. 2014, section 3).

        Each is constant in the other's weights, so that one backward pass serves both.
        """
        critic, seen = cast(nn.Module, auxiliary), cond.detach()
        noise = torch.randn(2, *actions.shape, device=actions.device)
        made, other = (ask(denoise, each, cond) for each in noise)
        fixed = {name: value.detach() for name, value in critic.named_parameters()}
        fooled = functional_call(critic, fixed, (made, seen))
        told = _surprise(critic(actions, seen)) + _surprise(-critic(made.detach(), seen))
        spread = (made - other).abs().mean() / (noise[0] - noise[1]).abs().mean()
        reward = self.diversity * spread.clamp(max=self.diversity_limit)
        penalty = self.gradient_penalty / 2 * _squared_gradient(critic, actions, seen)
        return told + penalty + _surprise(fooled) - reward

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the chunk that is made from the noise."""
        yield ask(denoise, noise, cond)


class Critic(nn.Module):
    """Network of chunks (B, Tp, J) and conditioning (B, D) → (B, 1), high if they seem real."""

    def __init__(self, n_chunk: int, cond_dim: int, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_chunk + cond_dim, dim),
            nn.LeakyReLU(0.2),
            nn.Linear(dim, dim),
            nn.LeakyReLU(0.2),
            nn.Linear(dim, 1),
        )

    def forward(self, chunk: Tensor, cond: Tensor) -> Tensor:
        """Return the logits (B, 1)."""
        return self.layers(torch.cat([chunk.flatten(1), cond], dim=1))


def _surprise(logit: Tensor) -> Tensor:
    """Return -log sigmoid of a logit, its surprise at a real chunk [nats]."""
    return functional.softplus(-logit).mean()


def _squared_gradient(critic: nn.Module, actions: Tensor, cond: Tensor) -> Tensor:
    """Return the mean of |d critic / d chunk|², even inside ``torch.no_grad``."""
    with torch.enable_grad():
        chunk = actions.detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(chunk, cond).sum(), chunk, create_graph=True)
    return slope.square().flatten(1).sum(dim=1).mean()
