# SPDX-License-Identifier: Apache-2.0
"""Images to features: a ResNet (He et al. 2016) with group norm and a spatial softmax.

The image encoder of Diffusion Policy (Chi et al. 2023, section III-C) and of LeRobot. Inside
``backbone`` the parameters have torchvision's names; their place in it is LeRobot's index, so
that ``backbone.layer1.0.conv1`` is its ``backbone.4.0.conv1``; ``keypoints`` is its ``pool.nets``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Final

from dp_ros.policy.encoders.encoder import Encoder
from dp_ros.policy.encoders.vision import SpatialSoftmax, cut_out
from dp_ros.values import require
from torch import Tensor, nn

_BLOCKS: Final = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_GROUP: Final = 16
_SHRINK: Final = 32


@dataclass(frozen=True)
class Resnet(Encoder):
    """Settings of the ResNet.

    :param width: channels of the first stage; each further stage has twice as many.
    """

    name: ClassVar = 'resnet'
    choices: ClassVar = {'depth': tuple(_BLOCKS)}
    lowest: ClassVar = Encoder.lowest | {'n_keypoints': 1, 'width': _GROUP}
    smallest_crop: ClassVar = _SHRINK + 1

    depth: int = 18
    width: int = 64
    n_keypoints: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.width % _GROUP == 0,
            f'resnet.width = {self.width}: needs a multiple of {_GROUP}, for the group norm',
        )

    @property
    def n_features(self) -> int:
        """Number of coordinates of the keypoints."""
        return 2 * self.n_keypoints

    def make(self, size: tuple[int, int]) -> ResnetEncoder:
        """Make the network of one camera."""
        return ResnetEncoder(self.crop(size), self.depth, self.width, self.n_keypoints)


class ResnetEncoder(nn.Module):
    """Images of one camera (B, 3, H, W) → features (B, 2·K).

    :param crop: (height, width) of the visible part of the image [px].
    """

    def __init__(self, crop: tuple[int, int], depth: int, width: int, n_keypoints: int) -> None:
        super().__init__()
        self.crop = crop
        self.backbone = make_backbone(depth, width)
        self.keypoints = nn.Conv2d(8 * width, n_keypoints, 1)
        height, width = (-(-side // _SHRINK) for side in crop)
        self.softmax = SpatialSoftmax(height, width)
        self.out = nn.Linear(2 * n_keypoints, 2 * n_keypoints)
        self.relu = nn.ReLU()

    def forward(self, images: Tensor, offset: Tensor | None = None) -> Tensor:
        """Encode images.

        :param offset: (B, 2) top and left of each crop [px]; None: the centre.
        """
        maps = self.keypoints(self.backbone(cut_out(images, self.crop, offset)))
        return self.relu(self.out(self.softmax(maps).flatten(1)))


class BasicBlock(nn.Module):
    """Two convolutions, and a skip connection that changes size and channels likewise."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = _norm(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = _norm(n_out)
        self.relu = nn.ReLU()
        self.downsample = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.downsample.append(nn.Conv2d(n_in, n_out, 1, stride, bias=False))
            self.downsample.append(_norm(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, H, W) to (B, n_out, H / stride, W / stride)."""
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(inner + self.downsample(x))


def make_backbone(depth: int, width: int) -> nn.Sequential:
    """Build (B, 3, H, W) → (B, 8·width, H / 32, W / 32), initialised as by He et al. (2015)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, width, 7, 2, 3, bias=False),
        bn1=_norm(width),
        relu=nn.ReLU(),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )
    n_in = width
    for stage, n_blocks in enumerate(_BLOCKS[depth]):
        n_out = width * 2**stage
        first = BasicBlock(n_in, n_out, 1 if stage == 0 else 2)
        rest = [BasicBlock(n_out, n_out, 1) for _ in range(n_blocks - 1)]
        layers[f'layer{stage + 1}'] = nn.Sequential(first, *rest)
        n_in = n_out
    backbone = nn.Sequential(layers)
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
    return backbone


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // _GROUP, channels)
