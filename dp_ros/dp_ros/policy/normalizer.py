# SPDX-License-Identifier: Apache-2.0
"""Normalisation of states and actions, each dimension by its own mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

_CONSTANT: Final = 5e-5  # half of Diffusion Policy's range_eps

Bounds = tuple[Tensor, Tensor]


def _range(values: Tensor) -> Bounds:
    return values.amin(dim=0), values.amax(dim=0)


def _deviation(values: Tensor) -> Bounds:
    mean, deviation = values.mean(dim=0), values.std(dim=0, correction=0)
    return mean - deviation, mean + deviation


def _identity(values: Tensor) -> Bounds:
    ones = torch.ones_like(values[0])
    return -ones, ones


def _quantiles(share: float) -> Callable[[Tensor], Bounds]:
    def bounds(values: Tensor) -> Bounds:
        low, high = np.quantile(values.double().cpu().numpy(), (share, 1 - share), axis=0)
        return torch.from_numpy(low).to(values), torch.from_numpy(high).to(values)

    return bounds


MODES: Final[Mapping[str, Callable[[Tensor], Bounds]]] = {
    'min_max': _range,
    'quantiles': _quantiles(0.01),
    'quantiles10': _quantiles(0.1),
    'mean_std': _deviation,
    'none': _identity,
}


class Normalizer(nn.Module):
    """Map low..high of each dimension to -1..1; a constant dimension to 0.

    The mode decides low and high: ``min_max`` takes the ends of the training data, ``mean_std``
    a standard deviation to either side of their mean, ``quantiles`` and
    ``quantiles10`` leave out 1 % and 10 % at either end, ``none`` -1 and 1, which changes nothing.
    A checkpoint only holds low and high.
    """

    low: Tensor
    high: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer('low', torch.full((dim,), -1.0))
        self.register_buffer('high', torch.ones(dim))

    def fit(self, values: Tensor, modes: Sequence[str] = ('min_max',)) -> None:
        """Set low and high from values (n, dim).

        :param modes: modes, one for all dimensions or one for each.
        :raises ValueError: for values that are not finite.
        """
        if not torch.isfinite(values).all():
            raise ValueError('the data hold a value that is not finite')
        bounds = {mode: MODES[mode](values) for mode in set(modes)}
        chosen = modes if len(modes) > 1 else list(modes) * len(self.low)
        for index, mode in enumerate(chosen):
            low, high = bounds[mode]
            self.low[index], self.high[index] = low[index], high[index]

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
