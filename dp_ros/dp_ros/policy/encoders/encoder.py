# SPDX-License-Identifier: Apache-2.0
"""The common part of image encoders: images are augmented, cropped and normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dp_ros.policy.component import Component
from dp_ros.policy.encoders.vision import jitter_colors
from dp_ros.values import require
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig


@dataclass(frozen=True)
class Encoder(Component):
    """Settings of an image encoder; ``make`` builds its network for one camera, or for all.

    :cvar smallest_crop: smallest height and width of a cropped image [px].
    :param crop_margin: margin that is cropped on each side [px]; in training the crop is random.
    :param shared: whether all cameras share one network; false: each has its own.
    :param mean: mean of red, green and blue in 0..1; the network gets (image - mean) / std.
        DINOv2 needs ImageNet's. Of several cameras the values may follow each other.
    :param std: standard deviation of red, green and blue, likewise.
    :param color_jitter: largest changes of brightness, contrast and saturation in training, each
        a factor of 1 ± this.
    """

    smallest_crop: ClassVar[int] = 16
    lowest: ClassVar = {'crop_margin': 0}

    crop_margin: int = 4
    shared: bool = False
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    color_jitter: tuple[float, ...] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ('mean', 'std'):
            values = getattr(self, key)
            require(
                len(values) > 0 and len(values) % 3 == 0,
                f'{self.name}.{key} = {values}: needs 3 values, or 3 for each camera',
            )
        jitter = self.color_jitter
        require(len(jitter) == 3, f'{self.name}.color_jitter = {jitter}: needs 3 values')
        require(min(self.std) > 0, f'{self.name}.std = {self.std}: needs values above 0')
        require(
            0 <= min(self.color_jitter) <= max(self.color_jitter) <= 1,
            f'{self.name}.color_jitter = {self.color_jitter}: needs values in 0..1',
        )

    def crop(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the cropped image, from the image's size [px]."""
        return size[0] - 2 * self.crop_margin, size[1] - 2 * self.crop_margin

    def check(self, policy: PolicyConfig) -> None:
        """Check that the cropped images are large enough, and of one size if shared."""
        for name, size in policy.image_sizes.items():
            self.check_image(name, size)
        for key in ('mean', 'std'):
            values, n_cameras = getattr(self, key), len(policy.image_sizes)
            require(
                len(values) in (3, 3 * n_cameras),
                f'{self.name}.{key} has {len(values)} values: needs 3, or 3 for each of the '
                f'{n_cameras} cameras',
            )
        sizes = sorted(set(policy.image_sizes.values()))
        require(
            not self.shared or len(sizes) < 2,
            f'{self.name}.shared: images of {sizes} px, one network needs one size',
        )

    def check_image(self, name: str, size: tuple[int, int]) -> None:
        """Check that the images of a camera are large enough.

        :raises ConfigError: naming the camera and its size.
        """
        require(
            min(self.crop(size)) >= self.smallest_crop,
            f'image_sizes of {name!r} {size}: less than {self.smallest_crop} px left after '
            f'crop_margin {self.crop_margin}',
        )

    def augment(self, images: Tensor, n_frames: int) -> tuple[Tensor, Tensor]:
        """Draw colours and crops of a training step, alike for all frames of a window.

        :param images: (B, 3, H, W) in 0..1; the ``n_frames`` of a window follow each other.
        :returns: the images with other colours, and the offset of each crop (B, 2) [px].
        """
        n_windows, device = len(images) // n_frames, images.device
        offset = self.draw_offsets(n_windows, (images.shape[2], images.shape[3]), device)
        if any(self.color_jitter):
            factors = 2 * torch.rand(n_windows, 3, device=device) - 1
            factors = 1 + factors * images.new_tensor(self.color_jitter)
            images = jitter_colors(images, factors.repeat_interleave(n_frames, dim=0))
        return images, offset.repeat_interleave(n_frames, dim=0).to(torch.float32)

    def draw_offsets(self, count: int, size: tuple[int, int], device: torch.device) -> Tensor:
        """Draw the offsets (count, 2) of random crops of images of (height, width) [px]."""
        return torch.randint(2 * self.crop_margin + 1, (count, 2), device=device)

    def normalize(self, images: Tensor, camera: int = 0) -> Tensor:
        """Return (images - mean) / std for images (B, 3, H, W) in 0..1.

        :param camera: index of the camera, where each has values of its own.
        """
        mean, std = (
            images.new_tensor(values[3 * camera :][:3] or values)[:, None, None]
            for values in (self.mean, self.std)
        )
        return (images - mean) / std

    @property
    def n_features(self) -> int:
        """Number of features of one image."""
        raise NotImplementedError

    def make(self, size: tuple[int, int]) -> nn.Module:
        """Make the network for images of (height, width).

        It maps normalised images (B, 3, H, W) to (B, n_features); its second input is the offset
        of each crop (B, 2) [px], None for the centre.
        """
        raise NotImplementedError

    def load_pretrained(self, network: nn.Module) -> None:
        """Load the weights that training starts from, if the settings name any.

        :param network: network that ``make`` built.
        :raises ConfigError: when they cannot be read or do not fit.
        """
