# SPDX-License-Identifier: Apache-2.0
"""Common parts of image encoders: crops, colour jitter and the spatial softmax."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


def cut_out(images: Tensor, size: tuple[int, int], offset: Tensor | None = None) -> Tensor:
    """Cut (B, 3, *size) out of (B, 3, H, W).

    :param offset: (B, 2) top and left of each crop [px]; None: the centre.
    """
    if offset is None:
        top, left = centre(images, size)
        return images[:, :, top : top + size[0], left : left + size[1]]
    rows = offset[:, 0, None] + torch.arange(size[0], device=images.device)
    columns = offset[:, 1, None] + torch.arange(size[1], device=images.device)
    batch = torch.arange(len(images), device=images.device)
    cut = images.permute(0, 2, 3, 1)[
        batch[:, None, None], rows.long()[:, :, None], columns.long()[:, None, :]
    ]
    return cut.permute(0, 3, 1, 2)


def centre(images: Tensor, size: tuple[int, int]) -> tuple[int, int]:
    """Return top and left of the central crop [px]."""
    return (images.shape[2] - size[0]) // 2, (images.shape[3] - size[1]) // 2


def jitter_colors(images: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast and saturation of images (B, 3, H, W) in 0..1, in that order.

    :param factors: (B, 3), one for each; 1: no change, 0: black, uniform grey, no colour.
    """
    brightness, contrast, saturation = factors.T[..., None, None, None]
    images = (brightness * images).clamp(0, 1)
    mean = _grey(images).mean(dim=(1, 2, 3), keepdim=True)
    images = mean.lerp(images, contrast).clamp(0, 1)
    return _grey(images).lerp(images, saturation).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    """Return the luma of ITU-R BT.601, (B, 1, H, W)."""
    weights = images.new_tensor([0.299, 0.587, 0.114])
    return (images * weights[:, None, None]).sum(dim=1, keepdim=True)


class SpatialSoftmax(nn.Module):
    """Feature maps (B, K, h, w) → expected positions (B, K, 2), x first, in -1..1 of the map.

    The expected position of a feature (Finn et al. 2016) is exact to a fraction of a pixel, which
    pooling would lose.
    """

    grid: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        # Computed by torch on its device meta this would import its compiler, for seconds.
        grid = torch.empty(height, width, 2)
        grid[..., 0] = torch.tensor(np.linspace(-1, 1, width))
        grid[..., 1] = torch.tensor(np.linspace(-1, 1, height))[:, None]
        self.register_buffer('grid', grid.flatten(0, 1), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the positions."""
        return features.flatten(2).softmax(dim=-1) @ self.grid
