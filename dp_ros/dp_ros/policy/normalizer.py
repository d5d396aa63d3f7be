# SPDX-License-Identifier: Apache-2.0
"""Min-max normalisation of states and actions to -1..1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CONSTANT = 1e-6


class MinMaxNormalizer(nn.Module):
    """Map each dimension's training range to -1..1; a constant dimension to 0.

    Its range is part of the weights, so a checkpoint carries it.
    """

    low: Tensor
    high: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer('low', -torch.ones(dim))
        self.register_buffer('high', torch.ones(dim))

    def fit(self, values: Tensor) -> None:
        """Take the range of (n, dim) values.

        :raises ValueError: for values that are not finite.
        """
        if not torch.isfinite(values).all():
            raise ValueError('the data hold a value that is not finite')
        self.low.copy_(values.amin(dim=0))
        self.high.copy_(values.amax(dim=0))

    def forward(self, values: Tensor) -> Tensor:
        """Normalise (..., dim)."""
        return (values - self._centre()) / self._half()

    def inverse(self, values: Tensor) -> Tensor:
        """Undo ``forward``."""
        return values * self._half() + self._centre()

    def _centre(self) -> Tensor:
        return (self.low + self.high) / 2

    def _half(self) -> Tensor:
        half = (self.high - self.low) / 2
        return torch.where(half < _CONSTANT, torch.ones_like(half), half)
