# SPDX-License-Identifier: Apache-2.0
"""The squared-error baseline: the denoiser's network, asked once, from nothing.

Trained to the mean of what was demonstrated, it goes where nobody went when people went two ways.
"""

from __future__ import annotations

from dp_ros.policy.diffusion import Denoise
from dp_ros.policy.network import PolicyNetwork
import torch
from torch import Tensor
from torch.nn import functional


def regression_loss(network: PolicyNetwork, actions: Tensor, cond: Tensor) -> Tensor:
    """Mean squared error of the chunk; ``actions`` (B, Tp, J) normalised, ``cond`` (B, D)."""
    return functional.mse_loss(regress(network.denoise, torch.zeros_like(actions), cond), actions)


def regress(denoise: Denoise, zeros: Tensor, cond: Tensor) -> Tensor:
    """Predict chunks (B, Tp, J), normalised, from zeros of that shape and ``cond`` (B, D)."""
    timestep = torch.zeros(len(zeros), dtype=torch.int64, device=zeros.device)
    return denoise(zeros, timestep, cond)
