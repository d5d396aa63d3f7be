# SPDX-License-Identifier: Apache-2.0
"""The squared-error baseline: the denoiser's network, asked once, from nothing.

Trained to the mean of what was demonstrated, it goes where nobody went when people went two ways.
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
    """Squared error."""

    name: ClassVar = 'regression'
    stochastic: ClassVar = False

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None = None
    ) -> Tensor:
        """Mean squared error of the chunk."""
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
        """Yield the one answer, whatever the noise."""
        yield ask(denoise, torch.zeros_like(noise), cond)
