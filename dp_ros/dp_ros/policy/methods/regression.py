# SPDX-License-Identifier: Apache-2.0
"""The squared-error baseline: the denoiser's network, called once, with a sample of zeros.

It learns the mean of the demonstrations: where these go two ways, it goes between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from dp_ros.policy.methods.method import Denoise, Draw, Method, ask
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Regression(Method):
    """Method that minimises the squared error."""

    name: ClassVar = 'regression'
    stochastic: ClassVar = False
    conditionings: ClassVar = ('guided', 'trained')

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None = None
    ) -> Tensor:
        """Return the mean squared error of the chunk."""
        return functional.mse_loss(ask(denoise, torch.zeros_like(actions), cond), actions)

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the one chunk; the noise has no effect."""
        yield ask(denoise, torch.zeros_like(noise), cond)
