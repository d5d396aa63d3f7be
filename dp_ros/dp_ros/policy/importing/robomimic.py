# SPDX-License-Identifier: Apache-2.0
"""What Diffusion Policy's policies observe, and robomimic's encoder of images in its hybrid ones.

robomimic 0.2 encodes the observation key by key, in the order of `shape_meta`: an image by a
ResNet-18, a spatial softmax and one layer, a state as it is. Here states come before images, so
that the denoiser's weights for them change places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import itertools
import re
from typing import Any, Final

from dp_ros.policy.importing.resnets import resnet_settings
from dp_ros.policy.importing.source import Settings, SourceError, load_module
from dp_ros.policy.importing.weights import VISUAL_CORE, below, rename
from dp_ros.policy.network import PolicyNetwork
from dp_ros.values import shown
import torch
from torch import Tensor

_NETS: Final = 'obs_encoder.obs_nets.'
_FILM: Final = re.compile(r'\.film\.1\.weight$')


@dataclass(frozen=True)
class Observed:
    """Keys of an observation, in the source's order.

    :param states: number of values of each state; ``cameras``: (height, width) of images [px].
    :param order: all keys.
    """

    states: Mapping[str, int]
    cameras: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    @property
    def n_states(self) -> int:
        """Number of values of all states."""
        return sum(self.states.values())

    def reordered(
        self, tensors: Mapping[str, Tensor], network: PolicyNetwork
    ) -> Mapping[str, Tensor]:
        """Return the denoiser's weights with those of the states before those of the images.

        :raises SourceError: for weights of another conditioning.
        """
        if not self.cameras:
            return tensors
        n_features = network.config.encoder.n_features
        sizes = {key: self.states.get(key, n_features) for key in self.order}
        ends = dict(zip(self.order, itertools.accumulate(sizes.values()), strict=True))
        frame = [
            column
            for key in (*self.states, *self.cameras)
            for column in range(ends[key] - sizes[key], ends[key])
        ]
        n_frames = network.config.n_obs_steps
        cond = [k * len(frame) + column for k in range(n_frames) for column in frame]

        def moved(name: str, value: Tensor) -> Tensor:
            first = value.shape[-1] - len(cond)
            if not _FILM.search(name) or value.dim() != 2 or first < 0:
                return value
            columns = [*range(first), *(first + column for column in cond)]
            return value[:, columns]

        return {name: moved(name, value) for name, value in tensors.items()}


def read_observed(policy: Settings) -> tuple[Observed, int]:
    """Read what a policy observes, and the number of its actions' values."""
    meta = policy.take('shape_meta', None)
    if meta is None:
        n_joints, n_states = policy.count('action_dim'), policy.count('obs_dim')
        return Observed({'obs': n_states}), n_joints
    shapes = Settings(meta, 'shape_meta')
    (n_joints,) = _shape(Settings(shapes.take('action'), 'action'), 'action', 1)
    states: dict[str, int] = {}
    cameras: dict[str, tuple[int, int]] = {}
    keys = Settings(shapes.take('obs'), 'shape_meta.obs').rest()
    for key, value in keys.items():
        entry = Settings(value, key)
        if entry.one_of('type', ('rgb', 'low_dim'), 'low_dim') == 'low_dim':
            (states[key],) = _shape(entry, key, 1)
        else:
            _, height, width = _shape(entry, key, 3)
            cameras[key] = (height, width)
    return Observed(states, cameras, tuple(keys)), n_joints


def _shape(entry: Settings, key: str, n_sides: int) -> tuple[int, ...]:
    shape = entry.take('shape')
    sides = list(shape) if isinstance(shape, list | tuple) else []
    fits = len(sides) == n_sides and all(type(side) is int and side > 0 for side in sides)
    if not fits or n_sides == 3 and sides[0] != 3:
        raise SourceError(f'shape_meta: shape of {key} = {shown(shape)}: cannot be represented')
    return tuple(sides)


def read_crop(settings: Settings, default: tuple[int, int] | None) -> tuple[int, ...]:
    """Return height and width of a crop [px], empty where there is none.

    :raises SourceError: for anything else.
    """
    crop = settings.take('crop_shape', default)
    if crop is None:
        return ()
    sides = tuple(crop) if isinstance(crop, list | tuple) else (crop,)
    if len(sides) != 2 or not all(type(side) is int for side in sides):
        raise SourceError(f'crop_shape = {shown(crop)}: needs a height and a width')
    return sides


def read_encoder(
    policy: Settings, seen: Observed, tensors: Mapping[str, Tensor]
) -> Mapping[str, Any]:
    """Read the encoder of the images; each camera has one of its own."""
    crop = read_crop(policy, (76, 76))
    fixed = policy.flag('eval_fixed_crop', False)
    if crop and not fixed:
        raise SourceError(
            'eval_fixed_crop = False: its crops are random when it runs, which cannot be '
            'represented'
        )
    grouped = policy.flag('obs_encoder_group_norm', False)
    held = [pixels(tensors, key) for key in seen.cameras]
    first = next(iter(seen.cameras))
    keypoints = Settings(tensors, 'weights').take(f'{_NETS}{first}.nets.1.nets.weight')
    common = {
        'depth': 18,
        'n_keypoints': len(keypoints),
        'shared': False,
        'mean': [value for mean, _ in held for value in mean],
        'std': [value for _, deviation in held for value in deviation],
    }
    return resnet_settings(common, grouped, seen.cameras[first], (), crop)


def pixels(tensors: Mapping[str, Tensor], key: str) -> tuple[list[float], list[float]]:
    """Return mean and deviation that take images to scale · image + offset."""
    low, high = bounds_of(tensors, key)
    centre, half = ((high + low) / 2).expand(3), ((high - low) / 2).expand(3)
    return centre.tolist(), half.tolist()


def load_encoders(network: PolicyNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Load the weights of the encoders.

    :raises SourceError: for weights that do not fit, or a softmax with a temperature.
    """
    for name, encoder in network.encoders.items():
        # `backbone` and `pool` are there a second time, by these names.
        held = below(tensors, f'{_NETS}{name}.nets.')
        heat = held.pop('1.temperature', torch.ones(1))
        if not torch.equal(heat.flatten().float(), torch.ones(1)):
            raise SourceError(f'{name}: a softmax with temperature {heat.tolist()}: only 1 can')
        load_module(encoder, rename(held, VISUAL_CORE), f'encoder of {name}')


def bounds_of(tensors: Mapping[str, Tensor], key: str) -> tuple[Tensor, Tensor]:
    """Return the values that a normaliser, x · scale + offset, maps to -1 and to 1."""
    params = Settings(tensors, 'normaliser')
    scale, offset = (
        params.take(f'normalizer.params_dict.{key}.{name}').double()
        for name in ('scale', 'offset')
    )
    if scale.shape != offset.shape:
        raise SourceError(f'normaliser of {key}: scale and offset have different shapes')
    return (-1 - offset) / scale, (1 - offset) / scale
