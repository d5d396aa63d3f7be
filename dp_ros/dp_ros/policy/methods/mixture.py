# SPDX-License-Identifier: Apache-2.0
"""The Gaussian-mixture baseline, with the denoiser `lstm` the LSTM-GMM of Mandlekar et al. 2021.

One component is chosen for the whole chunk, so that a chunk does not change its way halfway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from dp_ros.policy.methods.gaussian import log_normal
from dp_ros.policy.methods.method import Denoise, Draw, Method, ask
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Mixture(Method):
    """Method that minimises the negative log-likelihood of a mixture of Gaussians over chunks.

    :param n_modes: M, number of components of the mixture.
    :param min_std: smallest standard deviation of normalised actions.
    :param temperature: factor on the component's standard deviation when drawing; 0, as usual
        for such policies: its mean.
    """

    name: ClassVar = 'mixture'
    conditionings: ClassVar = ()
    lowest: ClassVar = {'n_modes': 1, 'min_std': 1e-4, 'temperature': 0.0}

    n_modes: int = 5
    min_std: float = 0.01
    temperature: float = 0.0

    def n_out(self, n_joints: int) -> int:
        """Return the number of channels of every component's mean, log-deviation and weight."""
        return self.n_modes * (2 * n_joints + 1)

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None = None
    ) -> Tensor:
        """Return the negative log-likelihood of a chunk per value [nats]."""
        logits, mean, std = self.split(ask(denoise, torch.zeros_like(actions), cond))
        densities = log_normal(actions[:, None], mean, std).sum(dim=(2, 3))
        likelihood = torch.logsumexp(logits.log_softmax(dim=1) + densities, dim=1)
        return -likelihood.mean() / actions[0].numel()

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield a chunk: a draw chooses the component, the noise the place in it."""
        logits, mean, std = self.split(ask(denoise, torch.zeros_like(noise), cond))
        share = torch.special.ndtr(draw(logits[:, :1]))
        below = logits.softmax(dim=1).cumsum(dim=1) < share
        chosen = below.sum(dim=1).clamp(max=self.n_modes - 1)
        rows = torch.arange(len(noise), device=noise.device)
        yield mean[rows, chosen] + self.temperature * std[rows, chosen] * noise

    def split(self, prediction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (B, M), means and standard deviations (B, M, Tp, J) of a prediction.

        A component's logit is predicted for every action; the chunk's is their mean.
        """
        logits, values = prediction[..., : self.n_modes], prediction[..., self.n_modes :]
        values = values.reshape(*values.shape[:-1], self.n_modes, -1)
        mean, log_std = values.transpose(1, 2).chunk(2, dim=-1)
        return logits.mean(dim=1), mean, log_std.exp() + self.min_std
