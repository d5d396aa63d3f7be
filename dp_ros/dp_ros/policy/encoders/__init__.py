# SPDX-License-Identifier: Apache-2.0
"""The image encoders, one per module; a configuration chooses one by its name."""

from collections.abc import Mapping
from typing import Final

from dp_ros.policy.encoders.cnn import Cnn
from dp_ros.policy.encoders.encoder import Encoder
from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.encoders.torchvision_resnet import TorchvisionResnet
from dp_ros.policy.encoders.vit import Vit

ENCODERS: Final[Mapping[str, type[Encoder]]] = {
    kind.name: kind for kind in (Cnn, Resnet, TorchvisionResnet, Vit)
}
