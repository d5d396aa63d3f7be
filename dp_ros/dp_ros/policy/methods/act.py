# SPDX-License-Identifier: Apache-2.0
"""Action chunking with transformers: a conditional variational autoencoder (Zhao et al. 2023).

In training an encoder tells the denoiser's network by a latent z which of the possible chunks to
predict. When the policy runs, z is 0, the mean of its prior. The network is the policy's denoiser
(a transformer in the original); z takes the place of the noisy sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from dp_ros.policy.methods.method import Denoise, Draw, Method, ask
from dp_ros.values import require
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from dp_ros.policy.network import PolicyNetwork


@dataclass(frozen=True)
class Act(Method):
    """Method that minimises the L1 distance of the chunk and the latent's divergence.

    :param latent_dim: Z, number of values of the latent.
    :param kl_weight: beta, weight of the Kullback-Leibler divergence.
    :param encoder_dim: width of the encoder's layers.
    """

    name: ClassVar = 'act'
    stochastic: ClassVar = False
    lowest: ClassVar = {'latent_dim': 1, 'kl_weight': 0.0, 'n_heads': 1, 'n_layers': 1}
    highest: ClassVar = {'n_layers': 256}

    latent_dim: int = 32
    kl_weight: float = 10.0
    encoder_dim: int = 128
    n_heads: int = 4
    n_layers: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.encoder_dim > 0 and self.encoder_dim % self.n_heads == 0,
            f'act.encoder_dim = {self.encoder_dim}: needs a multiple of n_heads = {self.n_heads}',
        )

    def n_in(self, n_joints: int) -> int:
        """Return the number of values of the latent, which every action gets."""
        return self.latent_dim

    def make_auxiliary(
        self, network: PolicyNetwork, teacher: PolicyNetwork | None = None
    ) -> nn.Module:
        """Make the encoder of the latent."""
        config = network.config
        return ChunkEncoder(self, len(config.joint_names), config.horizon, network.shapes.cond_dim)

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None
    ) -> Tensor:
        """Return the L1 distance plus beta times the divergence from the prior [nats]."""
        mean, log_var = cast(nn.Module, auxiliary)(actions, cond)
        latent = mean + (log_var / 2).exp() * torch.randn_like(mean)
        chunk = ask(denoise, latent[:, None].expand(-1, actions.shape[1], -1), cond)
        divergence = divergence_from_prior(mean, log_var).mean()
        return functional.l1_loss(chunk, actions) + self.kl_weight * divergence

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the chunk of the prior's mean; the noise has no effect."""
        yield ask(denoise, torch.zeros_like(noise), cond)


def divergence_from_prior(mean: Tensor, log_var: Tensor) -> Tensor:
    """Return the divergence (B,) of Gaussians (B, Z) from the standard one [nats].

    Kingma and Welling 2014, appendix B.
    """
    return (mean.square() + log_var.exp() - 1 - log_var).sum(dim=1) / 2


class ChunkEncoder(nn.Module):
    """Transformer over a class token, the conditioning and the actions: chunk → latent."""

    def __init__(self, settings: Act, n_joints: int, horizon: int, cond_dim: int) -> None:
        super().__init__()
        dim = settings.encoder_dim
        self.actions, self.cond = nn.Linear(n_joints, dim), nn.Linear(cond_dim, dim)
        self.query = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, horizon + 2, dim))
        layer = nn.TransformerEncoderLayer(
            dim, settings.n_heads, 4 * dim, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, settings.n_layers, nn.LayerNorm(dim), enable_nested_tensor=False
        )
        self.out = nn.Linear(dim, 2 * settings.latent_dim)

    def forward(self, chunk: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, Tp, J) and (B, D) to the latent's mean and log-variance, (B, Z) each."""
        query = self.query.expand(len(chunk), -1, -1)
        tokens = torch.cat([query, self.cond(cond)[:, None], self.actions(chunk)], dim=1)
        mean, log_var = self.out(self.layers(tokens + self.positions)[:, 0]).chunk(2, dim=1)
        return mean, log_var
