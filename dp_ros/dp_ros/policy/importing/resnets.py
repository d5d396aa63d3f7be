# SPDX-License-Identifier: Apache-2.0
"""Settings of the ResNets that LeRobot and Diffusion Policy's code have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.encoders.torchvision_resnet import TorchvisionResnet


def resnet_settings(
    common: Mapping[str, Any],
    grouped: bool,
    size: tuple[int, int],
    resize: tuple[int, ...],
    crop: tuple[int, ...],
) -> dict[str, Any]:
    """Return an encoder's settings: of `Resnet` where that is the same function.

    :param common: settings that both have.
    :param grouped: whether it has group norm, and not batch norm.
    :param size: (height, width) of the images [px]; ``resize`` and ``crop``: what is done to
        them, each empty if it is not.
    """
    margins = {have - want for have, want in zip(size, crop or size, strict=True)}
    margin = margins.pop()
    if grouped and common['depth'] in Resnet.choices['depth'] and not resize:
        if not margins and margin >= 0 and margin % 2 == 0:
            return {'name': Resnet.name, 'crop_margin': margin // 2, **common}
    norm = 'group' if grouped else 'batch'
    own = {'norm': norm, 'resize': resize, 'crop_size': crop}
    return {'name': TorchvisionResnet.name, **common, **own}
