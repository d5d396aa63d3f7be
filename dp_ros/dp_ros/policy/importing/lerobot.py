# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of LeRobot's diffusion policy: `config.json`, `model.safetensors`, normalisers.

The normalisers are in `policy_preprocessor.json` and `policy_postprocessor.json` with their
`.safetensors`, or, before LeRobot 0.4, among the weights.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.importing.lerobot_stats import Stats, load_stats
from dp_ros.policy.importing.resnets import resnet_settings
from dp_ros.policy.importing.source import (
    MOST_COUNTED,
    Imported,
    Names,
    Settings,
    SourceError,
    load_module,
    make_network,
    numbered,
    read_diffusion,
    read_json,
    read_tensors,
    set_bounds,
    widen,
)
from dp_ros.policy.importing.units import check_unit, in_radians
from dp_ros.policy.importing.weights import RESNET, UNET, below, rename
from dp_ros.policy.network import PolicyNetwork
from dp_ros.values import shown
import torch
from torch import Tensor

CONFIG: Final = 'config.json'
_WEIGHTS: Final = 'model.safetensors'
_STATE, _ACTION = 'observation.state', 'action'
# LeRobot's defaults for keys that an old file lacks.
_DIFFUSION: Final[Mapping[str, Any]] = {
    'num_train_timesteps': 100,
    'beta_schedule': 'squaredcos_cap_v2',
    'beta_start': 0.0001,
    'beta_end': 0.02,
    'prediction_type': 'epsilon',
    'clip_sample': True,
}
# Settings that cannot change what a trained policy does, by the version that added them.
_UNUSED: Final = (
    *('device', 'use_amp', 'push_to_hub', 'repo_id', 'private', 'tags', 'license'),
    *('drop_n_last_frames', 'do_mask_loss_for_padding'),
    *('optimizer_lr', 'optimizer_betas', 'optimizer_eps'),
    *('optimizer_weight_decay', 'scheduler_name', 'scheduler_warmup_steps'),
    *('pretrained_backbone_weights', 'crop_is_random'),
    'pretrained_path',  # 0.4.0
    *('compile_model', 'compile_mode'),  # 0.4.4
    'pretrained_revision',  # 0.6.0
    'gradient_checkpointing',  # 0.6.1
)
# Settings of the encoder, which a policy without cameras lacks.
_ENCODER: Final = (
    *('vision_backbone', 'use_group_norm', 'resize_shape', 'crop_shape', 'crop_ratio'),
    *('spatial_softmax_num_keypoints', 'use_separate_rgb_encoder_per_camera'),
)
_RESNETS: Final = {f'resnet{depth}': depth for depth in (18, 34, 50, 101, 152)}


@dataclass(frozen=True)
class _Features:
    """Inputs and outputs of a policy.

    :param states: (name, kind, size) of each state, in the order of the conditioning.
    :param cameras: (height, width) of each camera's images [px].
    """

    states: Sequence[tuple[str, str, int]]
    cameras: Mapping[str, tuple[int, int]]
    n_joints: int


def load(folder: Path, names: Names) -> Imported:
    """Read a checkpoint's folder.

    :raises SourceError: naming what it lacks, or what cannot be represented.
    """
    config = Settings(read_json(folder / CONFIG), CONFIG)
    config.need('type', 'diffusion', default=None)
    tensors = {
        name.replace('._orig_mod.', '.'): value  # of torch.compile
        for name, value in read_tensors(folder / _WEIGHTS).items()
    }
    features = _read_features(config)
    modes = Settings(config.take('normalization_mapping', {}), 'normalization_mapping')
    stats = load_stats(folder, tensors, modes.rest())
    network = make_network(_read_values(config, features, stats, names), tensors)
    _load_weights(network, below(tensors, 'diffusion.'))
    _set_ranges(network, features, stats, names)
    sampler = config.one_of('noise_scheduler_type', ('DDPM', 'DDIM'), default='DDPM').lower()
    steps = config.count('num_inference_steps', network.config.method.max_inference_steps)
    config.need('use_peft', False)
    for key in _ENCODER:
        config.take(key, None)
    unused = tuple(key for key in _UNUSED if config.take(key, None) is not None)
    config.finish()
    return Imported(network, sampler, steps, unused)


def _set_ranges(network: PolicyNetwork, features: _Features, stats: Stats, names: Names) -> None:
    """Set the normalisers' ranges, of joints in radians."""
    task = network.config.task
    actions = stats.bounds(_ACTION, 'ACTION', features.n_joints)
    held = {_ACTION: stats.largest(_ACTION, 'ACTION'), _STATE: stats.largest(_STATE, 'STATE')}
    check_unit(names.unit, held, (*task.joint_names, *task.state_names))
    actions = in_radians(names.unit, task.joint_names, *actions)
    set_bounds(network.actions, *widen(*actions, centred=stats.mode('ACTION') == 'mean_std'))
    n_states = features.states[0][2]
    bounds = [_state_bounds(*stats.bounds(*feature)) for feature in features.states]
    bounds[0] = in_radians(names.unit, task.observed_names[:n_states], *bounds[0])
    set_bounds(network.states, *(torch.cat(ends) for ends in zip(*bounds, strict=True)))


def _read_values(
    config: Settings, features: _Features, stats: Stats, names: Names
) -> dict[str, Any]:
    """Return the fields of a `PolicyConfig`."""
    modes = [stats.mode(kind) for _, kind, size in features.states for _ in range(size)]
    values: dict[str, Any] = {
        'task': {
            'joints': numbered(names.joints, features.n_joints, 'joint'),
            'state_names': numbered(names.states, len(modes), 'state'),
            'cameras': {
                name: {'size': size}
                for name, size in zip(
                    _camera_names(features.cameras), features.cameras.values(), strict=True
                )
            },
            'dt': names.dt,
            **{key: config.count(key) for key in ('horizon', 'n_obs_steps', 'n_action_steps')},
        },
        'state_modes': modes,
        'action_modes': stats.mode('ACTION'),
        'method': read_diffusion(config, _DIFFUSION),
        'denoiser': _read_unet(config),
    }
    if features.cameras:
        values['encoder'] = _read_encoder(config, features, stats)
    return values


def _read_features(config: Settings) -> _Features:
    """Read inputs and outputs; the robot's state comes first, then the environment's."""
    inputs = Settings(config.take('input_features'), 'input_features')
    states = [(_STATE, 'STATE', _shape(inputs.take(_STATE), 'STATE')[0])]
    cameras: dict[str, tuple[int, int]] = {}
    for key, feature in inputs.rest().items():
        if Settings(feature, key).take('type', None) == 'ENV' and len(states) == 1:
            states.append((key, 'ENV', _shape(feature, 'ENV')[0]))
        else:
            _, height, width = _shape(feature, 'VISUAL')
            cameras[key] = (height, width)
    if len(states) > 1 and cameras:
        raise SourceError(f'input_features {states[1][0]} besides images: cannot be represented')
    outputs = Settings(config.take('output_features'), 'output_features')
    return _Features(states, cameras, _shape(outputs.take(_ACTION), 'ACTION')[0])


def _shape(feature: Any, kind: str) -> tuple[int, ...]:
    """Return the shape of a feature, which must be of a kind that has it."""
    read = Settings(feature, 'feature')
    shape = read.take('shape', None)
    sizes = [side for side in shape if type(side) is int] if isinstance(shape, list) else []
    fits = len(sizes) == 1 if kind != 'VISUAL' else len(sizes) == 3 and sizes[0] == 3
    counted = all(1 <= side <= MOST_COUNTED for side in sizes)
    if read.take('type', None) != kind or sizes != shape or not fits or not counted:
        raise SourceError(f'feature {shown(feature)}: cannot be represented, needs a {kind}')
    return tuple(sizes)


def _camera_names(keys: Collection[str]) -> list[str]:
    """Name cameras by the last part of a feature's name, or by all parts where these are alike.

    :raises SourceError: where two cameras would still have one name.
    """
    short = [key.rpartition('.')[-1] for key in keys]
    if len(set(short)) == len(short):
        return short
    names = [
        key.removeprefix('observation.').removeprefix('images.').replace('.', '_') for key in keys
    ]
    if len(set(names)) < len(names):
        raise SourceError(f'cameras {list(keys)}: two would be called the same')
    return names


def _read_unet(config: Settings) -> Mapping[str, Any]:
    return {
        'name': Unet.name,
        'down_dims': config.take('down_dims'),
        'kernel_size': config.take('kernel_size'),
        'n_groups': config.take('n_groups'),
        'out_groups': 8,
        'timestep_dim': config.take('diffusion_step_embed_dim'),
        'film_scale': config.take('use_film_scale_modulation'),
        'skips': 'own',
    }


def _read_encoder(config: Settings, features: _Features, stats: Stats) -> Mapping[str, Any]:
    depth = _RESNETS[config.one_of('vision_backbone', _RESNETS)]
    grouped = config.flag('use_group_norm', True)
    mean, std = stats.pixels(tuple(features.cameras))
    size = next(iter(features.cameras.values()))
    resize = _pair(config, 'resize_shape')
    crop = _read_crop(config, resize)
    common = {
        'depth': depth,
        'n_keypoints': config.count('spatial_softmax_num_keypoints'),
        'shared': not config.flag('use_separate_rgb_encoder_per_camera', False),
        'mean': mean,
        'std': std,
    }
    return resnet_settings(common, grouped, size, resize, crop)


def _read_crop(config: Settings, resize: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size of the crop; of resized images LeRobot computes it from a ratio."""
    crop = _pair(config, 'crop_shape')
    ratio = config.take('crop_ratio', 1.0)
    if not isinstance(ratio, int | float) or not 0 < ratio <= 1:
        raise SourceError(f'crop_ratio = {shown(ratio)}: needs a number above 0, at most 1')
    if resize and ratio < 1:
        return int(resize[0] * ratio), int(resize[1] * ratio)
    return crop


def _pair(config: Settings, key: str) -> tuple[int, ...]:
    """Return a height and a width [px], empty where there are none.

    :raises SourceError: for anything else.
    """
    value = config.take(key, None)
    if value is None:
        return ()
    if not isinstance(value, list) or [type(side) for side in value] != [int, int]:
        raise SourceError(f'{key} = {shown(value)}: needs a height and a width')
    return tuple(value)


def _load_weights(network: PolicyNetwork, tensors: Mapping[str, Tensor]) -> None:
    load_module(network.denoiser, rename(below(tensors, 'unet.'), UNET), 'unet')
    for index, (name, encoder) in enumerate(network.encoders.items()):
        prefix = 'rgb_encoder.' if name == 'shared' else f'rgb_encoder.{index}.'
        load_module(encoder, rename(below(tensors, prefix), RESNET), prefix.rstrip('.'))


def _state_bounds(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Widen the range of constant states so that they map to -1, as in LeRobot."""
    return low, torch.where(low == high, low + 2, high)
