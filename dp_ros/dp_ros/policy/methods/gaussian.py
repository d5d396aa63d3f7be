# SPDX-License-Identifier: Apache-2.0
"""The Gaussian baseline: a mean and a standard deviation for every value of the chunk.

It learns how far demonstrations differ, but of two ways it takes the mean between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import math
from typing import ClassVar

from dp_ros.policy.methods.method import Denoise, Draw, Method, ask
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Gaussian(Method):
    """Method that minimises the negative log-likelihood of independent Gaussians.

    :param min_std: smallest standard deviation of normalised actions.
    :param temperature: factor on the standard deviation when drawing; 0: the mean.
    """

    name: ClassVar = 'gaussian'
    conditionings: ClassVar = ()
    lowest: ClassVar = {'min_std': 1e-4, 'temperature': 0.0}

    min_std: float = 0.01
    temperature: float = 1.0

    def n_out(self, n_joints: int) -> int:
        """Return the number of channels of mean and log-deviation."""
        return 2 * n_joints

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None = None
    ) -> Tensor:
        """Return the mean negative log-likelihood of a value [nats]."""
        mean, std = self.split(ask(denoise, torch.zeros_like(actions), cond))
        return -log_normal(actions, mean, std).mean()

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the chunk that the noise chooses."""
        mean, std = self.split(ask(denoise, torch.zeros_like(noise), cond))
        yield mean + self.temperature * std * noise

    def split(self, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (..., J) of a prediction (..., 2·J)."""
        mean, log_std = prediction.chunk(2, dim=-1)
        return mean, log_std.exp() + self.min_std


def log_normal(values: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return the logarithm of the normal density of each value."""
    return -((values - mean) / std).square() / 2 - std.log() - math.log(2 * math.pi) / 2
