# SPDX-License-Identifier: Apache-2.0
"""The adversarial baseline: a conditional GAN (Goodfellow et al. 2014; Mirza and Osindero 2014).

The denoiser's network makes a chunk of noise in one go; a critic learns to tell it from what
people did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from dp_ros.policy.methods.method import Denoise, Method, ask
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

if TYPE_CHECKING:
    from dp_ros.policy.network import PolicyNetwork


@dataclass(frozen=True)
class Gan(Method):
    """Two losses, minimised together.

    :param critic_dim: width of the critic's two hidden layers.
    """

    name: ClassVar = 'gan'
    lowest: ClassVar = {'critic_dim': 1}

    critic_dim: int = 256

    def make_critic(self, network: PolicyNetwork) -> nn.Module:
        """Make the critic."""
        chunk = network.config.horizon * len(network.config.joint_names)
        return Critic(chunk, network.shapes.cond_dim, self.critic_dim)

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, critic: nn.Module | None
    ) -> Tensor:
        """Sum of the generator's and of the critic's loss, the hinge of Miyato et al. 2018.

        Each is constant in what the other one trains, so that one backward pass serves both.
        """
        judge, seen = cast(nn.Module, critic), cond.detach()
        made = ask(denoise, torch.randn_like(actions), cond)
        fixed = {name: value.detach() for name, value in judge.named_parameters()}
        fooled = functional_call(judge, fixed, (made, seen))
        real, fake = judge(actions, seen), judge(made.detach(), seen)
        told = functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        return told - fooled.mean()

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        generator: torch.Generator,
    ) -> Iterator[Tensor]:
        """Yield the chunk that is made of the noise."""
        yield ask(denoise, noise, cond)


class Critic(nn.Module):
    """Judge of a chunk (B, Tp, J) under conditioning (B, D): (B, 1), higher where it seems real.

    Its layers are kept Lipschitz by spectral normalisation (Miyato et al. 2018).
    """

    def __init__(self, n_chunk: int, cond_dim: int, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_norm(nn.Linear(n_chunk + cond_dim, dim)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(dim, dim)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(dim, 1)),
        )

    def forward(self, chunk: Tensor, cond: Tensor) -> Tensor:
        """Judge."""
        return self.layers(torch.cat([chunk.flatten(1), cond], dim=1))
