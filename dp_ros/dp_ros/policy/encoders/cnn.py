# SPDX-License-Identifier: Apache-2.0
"""Images to keypoints: a small CNN with group norm and a spatial softmax.

The expected position of each feature (Finn et al. 2016) says where something is to a fraction of
a pixel, which pooling would lose. Positions are in the uncropped image, so that a random crop
changes what is seen but not where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from dp_ros.policy.component import require
from dp_ros.policy.encoders.encoder import Encoder
import torch
from torch import Tensor, nn

_GROUPS: Final = 4


@dataclass(frozen=True)
class Cnn(Encoder):
    """The CNN's settings.

    :param channels: of each convolution; the first two halve the image.
    """

    name: ClassVar = 'cnn'
    lowest: ClassVar = Encoder.lowest | {'n_keypoints': 1}

    channels: tuple[int, ...] = (24, 32, 32)
    n_keypoints: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            bool(self.channels) and all(c > 0 and c % _GROUPS == 0 for c in self.channels),
            f'cnn.channels = {self.channels}: needs multiples of {_GROUPS}, for the group norm',
        )

    @property
    def n_features(self) -> int:
        """The keypoints' coordinates."""
        return 2 * self.n_keypoints

    def make(self, size: tuple[int, int]) -> ImageEncoder:
        """Make the network of one camera."""
        return ImageEncoder(size, self.crop(size), self.channels, self.n_keypoints)


class SpatialSoftmax(nn.Module):
    """Feature maps (B, K, h, w) → expected positions (B, 2·K), x first, in -1..1 of the map."""

    grid: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing='ij'
        )
        grid = torch.stack([x.flatten(), y.flatten()], dim=1)
        self.register_buffer('grid', grid, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the positions, (B, K, 2)."""
        return features.flatten(2).softmax(dim=-1) @ self.grid


class ImageEncoder(nn.Module):
    """Images of one camera (B, 3, H, W) in 0..1 → keypoints (B, 2·K).

    :param crop: (height, width) of what is seen of the image [px].
    """

    def __init__(
        self,
        size: tuple[int, int],
        crop: tuple[int, int],
        channels: Sequence[int],
        n_keypoints: int,
    ) -> None:
        super().__init__()
        self.size, self.crop = size, crop
        first, *rest = channels
        layers = [nn.Conv2d(3, first, 5, 2, 2), *_norm(first)]
        for index, (n_in, n_out) in enumerate(zip(channels[:-1], rest, strict=True)):
            stride = 2 if index == 0 else 1
            layers += [nn.Conv2d(n_in, n_out, 3, stride, 1), *_norm(n_out)]
        self.features = nn.Sequential(*layers, nn.Conv2d(channels[-1], n_keypoints, 1))
        with torch.no_grad():
            height, width = self.features(torch.zeros(1, 3, *crop)).shape[2:]
        self.softmax = SpatialSoftmax(height, width)
        scale = torch.tensor([crop[1] / size[1], crop[0] / size[0]])
        self.register_buffer('scale', scale, persistent=False)

    def forward(self, images: Tensor, offset: Tensor | None = None) -> Tensor:
        """Encode.

        :param offset: (B, 2) top and left of each crop [px]; the centre when not given.
        """
        top, left = ((self.size[axis] - self.crop[axis]) // 2 for axis in (0, 1))
        if offset is None:
            images = images[:, :, top : top + self.crop[0], left : left + self.crop[1]]
            return (self.softmax(self.features(images)) * self.scale).flatten(1)
        points = self.softmax(self.features(_crop(images, offset, self.crop))) * self.scale
        moved = (offset - offset.new_tensor([top, left])).flip(-1)
        moved = 2 * moved / moved.new_tensor([self.size[1], self.size[0]])
        return (points + moved[:, None, :]).flatten(1)


def _norm(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(_GROUPS, channels), nn.ReLU()


def _crop(images: Tensor, offset: Tensor, crop: tuple[int, int]) -> Tensor:
    """Cut (B, 3, *crop) out of (B, 3, H, W), each image at its own offset (B, 2) [px]."""
    rows = offset[:, 0, None] + torch.arange(crop[0], device=images.device)
    columns = offset[:, 1, None] + torch.arange(crop[1], device=images.device)
    batch = torch.arange(len(images), device=images.device)
    cut = images.permute(0, 2, 3, 1)[
        batch[:, None, None], rows.long()[:, :, None], columns.long()[:, None, :]
    ]
    return cut.permute(0, 3, 1, 2)
