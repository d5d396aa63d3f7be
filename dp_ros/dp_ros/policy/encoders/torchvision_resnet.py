# SPDX-License-Identifier: Apache-2.0
"""Images to features: torchvision's ResNets, as LeRobot and Diffusion Policy's code have them.

`resnet` is smaller and trains from nothing. This one is for weights that were trained elsewhere:
any depth, batch norm, and images that are resized and cropped inside.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Final

from dp_ros.arrays import Array
from dp_ros.policy.encoders.encoder import Encoder
from dp_ros.policy.encoders.vision import SpatialSoftmax, cut_out
from dp_ros.values import require
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

_BLOCKS: Final = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_DEEP: Final = 50  # from here on blocks have three convolutions
_WIDTH: Final = 64
_GROUP: Final = 16
_SHRINK: Final = 32


@dataclass(frozen=True)
class TorchvisionResnet(Encoder):
    """Settings of the ResNet.

    :param n_keypoints: number of keypoints; 0: features are the means of the last maps.
    :param norm: ``batch``, batch norm by statistics that stay as they are, or ``group``.
    :param resize: (height, width) that images are resized to [px]; empty: they are not.
    :param crop_size: (height, width) of the part that is kept [px], at the centre, in training at
        random; empty: ``crop_margin`` decides.
    """

    name: ClassVar = 'torchvision_resnet'
    choices: ClassVar = {'depth': tuple(_BLOCKS), 'norm': ('batch', 'group')}
    lowest: ClassVar = Encoder.lowest | {'n_keypoints': 0}
    smallest_crop: ClassVar = _SHRINK + 1

    crop_margin: int = 0
    depth: int = 18
    norm: str = 'batch'
    n_keypoints: int = 32
    resize: tuple[int, ...] = ()
    crop_size: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ('resize', 'crop_size'):
            sides = getattr(self, key)
            require(
                len(sides) in (0, 2) and all(side > 0 for side in sides),
                f'{self.name}.{key} = {sides}: needs a height and a width, or nothing',
            )
        require(
            not self.crop_size or not self.crop_margin,
            f'{self.name}.crop_margin = {self.crop_margin}: needs 0 beside crop_size',
        )

    def resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of an image when it is cropped, from its size [px]."""
        return (self.resize[0], self.resize[1]) if self.resize else size

    def crop(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the cropped image, from the image's size [px]."""
        if self.crop_size:
            return self.crop_size[0], self.crop_size[1]
        return super().crop(self.resized(size))

    def check_image(self, name: str, size: tuple[int, int]) -> None:
        """Check that an image is large enough for the crop."""
        super().check_image(name, size)
        whole, crop = self.resized(size), self.crop(size)
        require(
            crop[0] <= whole[0] and crop[1] <= whole[1],
            f'{self.name}.crop_size = {crop}: larger than the images of {name!r}, {whole} px',
        )

    def draw_offsets(self, count: int, size: tuple[int, int], device: torch.device) -> Tensor:
        """Draw the offsets (count, 2) of random crops of images of (height, width) [px]."""
        whole, crop = self.resized(size), self.crop(size)
        spare = [have - want + 1 for have, want in zip(whole, crop, strict=True)]
        return torch.stack([torch.randint(each, (count,), device=device) for each in spare], 1)

    @property
    def n_features(self) -> int:
        """Number of coordinates of the keypoints, or of the last maps."""
        return 2 * self.n_keypoints or _n_maps(self.depth)

    def make(self, size: tuple[int, int]) -> TorchvisionResnetEncoder:
        """Make the network of one camera."""
        return TorchvisionResnetEncoder(self, size)


class TorchvisionResnetEncoder(nn.Module):
    """Images of one camera (B, 3, H, W) → features (B, 2·K).

    Parameters in ``backbone`` have torchvision's names.
    """

    def __init__(self, settings: TorchvisionResnet, size: tuple[int, int]) -> None:
        super().__init__()
        whole, self.crop = settings.resized(size), settings.crop(size)
        self.resize = Resize(size, whole) if whole != size else nn.Identity()
        self.centre = [central(have, want) for have, want in zip(whole, self.crop, strict=True)]
        self.backbone = make_backbone(settings.depth, settings.norm)
        self.has_keypoints = settings.n_keypoints > 0
        if not self.has_keypoints:
            return
        self.keypoints = nn.Conv2d(_n_maps(settings.depth), settings.n_keypoints, 1)
        self.softmax = SpatialSoftmax(*(-(-side // _SHRINK) for side in self.crop))
        self.out = nn.Linear(settings.n_features, settings.n_features)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor, offset: Tensor | None = None) -> Tensor:
        """Encode images.

        :param offset: (B, 2) top and left of each crop [px]; None: the centre.
        """
        images = self.resize(images)
        if offset is None:
            (top, left), (height, width) = self.centre, self.crop
            images = images[:, :, top : top + height, left : left + width]
        else:
            images = cut_out(images, self.crop, offset)
        maps = self.backbone(images)
        if not self.has_keypoints:
            return maps.mean(dim=(2, 3))
        maps = self.keypoints(maps)
        return self.relu(self.out(self.softmax(maps).flatten(1)))


def central(have: int, want: int) -> int:
    """Return where a central crop begins [px]; halves are rounded to even, as by torchvision."""
    return round((have - want) / 2)


class Resize(nn.Module):
    """Bilinear resizing with antialiasing, the same as torchvision's, as two products.

    A product exports to every engine, which torch's own operator does not.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, size: tuple[int, int], wanted: tuple[int, int]) -> None:
        super().__init__()
        rows, columns = (_weights(*sides) for sides in zip(size, wanted, strict=True))
        self.register_buffer('rows', torch.from_numpy(rows), persistent=False)
        self.register_buffer('columns', torch.from_numpy(columns.T.copy()), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, *size) to (B, 3, *wanted)."""
        return self.rows @ (images @ self.columns)


def _weights(have: int, want: int) -> Array:
    """Return the share (want, have) of each pixel in each pixel of a resized line."""
    scale = have / want
    reach = max(scale, 1.0)
    centres = (np.arange(want)[:, None] + 0.5) * scale
    shares = np.maximum(0, 1 - np.abs(np.arange(have) + 0.5 - centres) / reach)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


class FixedBatchNorm(nn.Module):
    """Batch norm by statistics that stay as they are, in training too."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ('weight', 'running_var'):
            self.register_buffer(name, torch.ones(channels))
        for name in ('bias', 'running_mean'):
            self.register_buffer(name, torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias
        )


class Block(nn.Module):
    """Two convolutions, or three around a narrow middle, and a skip connection."""

    def __init__(self, n_in: int, width: int, stride: int, deep: bool, norm: str) -> None:
        super().__init__()
        n_out = 4 * width if deep else width
        self.deep = deep
        if deep:
            self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
            self.bn3 = _norm(norm, n_out)
        else:
            self.conv1 = nn.Conv2d(n_in, width, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = _norm(norm, width), _norm(norm, width)
        self.relu = nn.ReLU()
        self.downsample = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.downsample.append(nn.Conv2d(n_in, n_out, 1, stride, bias=False))
            self.downsample.append(_norm(norm, n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, H, W) to (B, n_out, H / stride, W / stride)."""
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.deep:
            inner = self.bn3(self.conv3(self.relu(inner)))
        return self.relu(inner + self.downsample(x))


def _n_maps(depth: int) -> int:
    """Return the number of maps that the backbone makes."""
    return 8 * _WIDTH * (4 if depth >= _DEEP else 1)


def make_backbone(depth: int, norm: str) -> nn.Sequential:
    """Build (B, 3, H, W) → (B, C, H / 32, W / 32), initialised as by He et al. (2015)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, _WIDTH, 7, 2, 3, bias=False),
        bn1=_norm(norm, _WIDTH),
        relu=nn.ReLU(),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )
    deep, n_in = depth >= _DEEP, _WIDTH
    for stage, n_blocks in enumerate(_BLOCKS[depth]):
        width = _WIDTH * 2**stage
        blocks = []
        for index in range(n_blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(Block(n_in, width, stride, deep, norm))
            n_in = 4 * width if deep else width
        layers[f'layer{stage + 1}'] = nn.Sequential(*blocks)
    backbone = nn.Sequential(layers)
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
    return backbone


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == 'batch':
        return FixedBatchNorm(channels)
    return nn.GroupNorm(channels // _GROUP, channels)
