# SPDX-License-Identifier: Apache-2.0
"""What every image encoder has in common: images and where they are cropped in, features out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dp_ros.policy.component import Component, require
from torch import nn

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig

SMALLEST_CROP = 16


@dataclass(frozen=True)
class Encoder(Component):
    """Settings of an image encoder; ``make`` makes its network for one camera.

    :param crop_margin: how far the image is cropped on each side [px]; at random in training.
    """

    lowest: ClassVar = {'crop_margin': 0}

    crop_margin: int = 4

    def crop(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of what is left of an image of this size [px]."""
        return size[0] - 2 * self.crop_margin, size[1] - 2 * self.crop_margin

    def check(self, policy: PolicyConfig) -> None:
        """Refuse images of which the crop leaves too little."""
        for name, size in policy.image_sizes.items():
            require(
                min(self.crop(size)) >= SMALLEST_CROP,
                f'image_sizes of {name!r} {size}: less than {SMALLEST_CROP} px left after '
                f'crop_margin {self.crop_margin}',
            )

    @property
    def n_features(self) -> int:
        """Features of one image."""
        raise NotImplementedError

    def make(self, size: tuple[int, int]) -> nn.Module:
        """Make the network for images of (height, width).

        It takes images (B, 3, H, W) in 0..1, and the offset of each crop (B, 2) [px] or None for
        the centre; and gives (B, n_features).
        """
        raise NotImplementedError
