# SPDX-License-Identifier: Apache-2.0
"""Diffusion Policy's `MultiImageObsEncoder`: images by torchvision's ResNets, states as they are.

The features of a frame are those of the images, then the states, each in the order of their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dp_ros.policy.encoders.torchvision_resnet import TorchvisionResnet
from dp_ros.policy.importing.robomimic import Observed, pixels, read_crop
from dp_ros.policy.importing.source import Settings, load_module
from dp_ros.policy.importing.weights import below, rename
from dp_ros.policy.network import PolicyNetwork
from torch import Tensor

_NETS: Final = 'obs_encoder.key_model_map.'
_RESNETS: Final = {'resnet18': 18, 'resnet34': 34, 'resnet50': 50}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


def in_its_order(seen: Observed) -> Observed:
    """Return the keys in the order in which it encodes them."""
    return replace(seen, order=(*sorted(seen.cameras), *sorted(seen.states)))


def read_encoder(
    encoder: Settings, seen: Observed, tensors: Mapping[str, Tensor]
) -> Mapping[str, Any]:
    """Read its settings, and the normalisation of the images.

    :raises SourceError: for what cannot be represented, such as images that are resized, which
        depends on the version of torchvision.
    """
    for key in ('_target_', 'shape_meta'):
        encoder.take(key, None)
    model = Settings(encoder.take('rgb_model'), 'rgb_model')
    model.take('_target_', None)
    model.take('weights', None)  # those that training started from
    depth = _RESNETS[model.one_of('name', _RESNETS)]
    model.finish()
    shared = encoder.flag('share_rgb_model', False)
    grouped = encoder.flag('use_group_norm', False) and not shared  # so its code has it
    encoder.need('resize_shape', None)
    crop = read_crop(encoder, None)
    encoder.need('random_crop', True)
    held = [pixels(tensors, key) for key in seen.cameras]
    if encoder.flag('imagenet_norm', False):
        held = [
            (
                [m + s * wanted for m, s, wanted in zip(mean, std, _MEAN, strict=True)],
                [s * wanted for s, wanted in zip(std, _STD, strict=True)],
            )
            for mean, std in held
        ]
    encoder.finish()
    return {
        'name': TorchvisionResnet.name,
        'depth': depth,
        'n_keypoints': 0,
        'norm': 'group' if grouped else 'batch',
        'shared': shared,
        'crop_size': crop,
        'mean': [value for mean, _ in held for value in mean],
        'std': [value for _, std in held for value in std],
    }


def load_encoders(network: PolicyNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Load the weights of the encoders.

    :raises SourceError: for weights that do not fit.
    """
    for name, encoder in network.encoders.items():
        held = below(tensors, f'{_NETS}{"rgb" if name == "shared" else name}.')
        ours = {f'backbone.{key}': value for key, value in rename(held, ()).items()}
        load_module(encoder, ours, f'encoder of {name}')
