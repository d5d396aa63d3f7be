# SPDX-License-Identifier: Apache-2.0
"""The interface of engines, which evaluate a policy's networks on one observation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from dp_ros.arrays import Floats, Rgb
from dp_ros.policy.methods.method import Draw
from dp_ros.policy.prefix import Prefix
import numpy as np
import torch
from torch import Tensor

Images = Mapping[str, Rgb]


class Engine(Protocol):
    """Evaluates a policy's networks on one observation."""

    name: str
    device: str

    def condition(self, state: Floats, images: Images) -> Tensor:
        """Encode (To, S) state and (To, H, W, 3) images to (1, D)."""

    def walk(
        self,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
        prefix: Prefix | None = None,
    ) -> Iterator[Tensor]:
        """Yield the samples, from noise (B, Tp, n_in) on, for one conditioning (1, D).

        They may be on another device than the noise.
        """


def to_tensors(state: Floats, images: Images) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the networks' input, a batch of one: (1, To, S), and (1, To, 3, H, W) each."""
    values = torch.from_numpy(np.asarray(state, dtype=np.float32))[None]
    pixels = {
        name: torch.from_numpy(np.ascontiguousarray(np.moveaxis(value, -1, 1)))[None]
        for name, value in images.items()
    }
    return values, pixels
