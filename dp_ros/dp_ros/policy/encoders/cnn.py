# SPDX-License-Identifier: Apache-2.0
"""Images to keypoints: a small CNN with group norm and a spatial softmax.

Keypoints are positions in the uncropped image, so that a random crop does not move them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from dp_ros.policy.encoders.encoder import Encoder
from dp_ros.policy.encoders.vision import SpatialSoftmax, centre, cut_out
from dp_ros.values import require
import torch
from torch import Tensor, nn

_GROUPS: Final = 4


@dataclass(frozen=True)
class Cnn(Encoder):
    """Settings of the CNN.

    :param channels: channels of each convolution; the first two halve the image.
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
        """Number of coordinates of the keypoints."""
        return 2 * self.n_keypoints

    def make(self, size: tuple[int, int]) -> ImageEncoder:
        """Make the network of one camera."""
        return ImageEncoder(size, self.crop(size), self.channels, self.n_keypoints)


class ImageEncoder(nn.Module):
    """Images of one camera (B, 3, H, W) → keypoints (B, 2·K).

    :param crop: (height, width) of the visible part of the image [px].
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
        stride = 4 if rest else 2
        self.softmax = SpatialSoftmax(*(-(-side // stride) for side in crop))
        scale = torch.tensor([crop[1] / size[1], crop[0] / size[0]])
        self.register_buffer('scale', scale, persistent=False)

    def forward(self, images: Tensor, offset: Tensor | None = None) -> Tensor:
        """Encode images.

        :param offset: (B, 2) top and left of each crop [px]; None: the centre.
        """
        points = self.softmax(self.features(cut_out(images, self.crop, offset))) * self.scale
        if offset is not None:
            moved = (offset - offset.new_tensor(centre(images, self.crop))).flip(-1)
            moved = 2 * moved / moved.new_tensor([self.size[1], self.size[0]])
            points = points + moved[:, None, :]
        return points.flatten(1)


def _norm(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(_GROUPS, channels), nn.ReLU()
