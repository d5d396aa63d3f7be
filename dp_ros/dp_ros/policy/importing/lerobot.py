# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of LeRobot's diffusion policy: `config.json`, `model.safetensors`, normalisers.

The normalisers are in `policy_preprocessor.json` and `policy_postprocessor.json` with their
`.safetensors`, or, before LeRobot 0.4, among the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.importing.lerobot_stats import Stats, load_stats
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
# Settings of training or storing only, or of the encoder that a policy without cameras lacks.
_UNUSED: Final = (
    *('device', 'use_amp', 'push_to_hub', 'repo_id', 'private', 'tags', 'license'),
    *('pretrained_path', 'drop_n_last_frames', 'do_mask_loss_for_padding'),
    *('compile_model', 'compile_mode', 'optimizer_lr', 'optimizer_betas', 'optimizer_eps'),
    *('optimizer_weight_decay', 'scheduler_name', 'scheduler_warmup_steps'),
    *('vision_backbone', 'pretrained_backbone_weights', 'use_group_norm', 'resize_shape'),
    *('crop_shape', 'crop_ratio', 'crop_is_random', 'spatial_softmax_num_keypoints'),
    'use_separate_rgb_encoder_per_camera',
)
_RESNETS: Final = {'resnet18': 18, 'resnet34': 34}


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
    tensors = read_tensors(folder / _WEIGHTS)
    features = _read_features(config)
    modes = Settings(config.take('normalization_mapping', {}), 'normalization_mapping')
    stats = load_stats(folder, tensors, modes.rest())
    network = make_network(_read_values(config, features, stats, names), tensors)
    _load_weights(network, below(tensors, 'diffusion.'))
    set_bounds(network.actions, *widen(*stats.bounds(_ACTION, 'ACTION', features.n_joints)))
    bounds = [_state_bounds(*stats.bounds(*feature)) for feature in features.states]
    set_bounds(network.states, *(torch.cat(ends) for ends in zip(*bounds, strict=True)))
    sampler = config.one_of('noise_scheduler_type', ('DDPM', 'DDIM'), default='DDPM').lower()
    steps = config.count('num_inference_steps', network.config.method.max_inference_steps)
    config.need('use_peft', False)
    for key in _UNUSED:
        config.take(key, None)
    config.finish()
    return Imported(network, sampler, steps)


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
                _camera_name(key): {'size': size} for key, size in features.cameras.items()
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


def _camera_name(key: str) -> str:
    """Return the last part of a feature's name: `front` of `observation.images.front`."""
    return key.rpartition('.')[-1]


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
    backbone = config.one_of('vision_backbone', _RESNETS)
    config.need('use_group_norm', True)
    config.need('resize_shape', None)
    mean, std = stats.pixels(tuple(features.cameras))
    return {
        'name': Resnet.name,
        'depth': _RESNETS[backbone],
        'n_keypoints': config.count('spatial_softmax_num_keypoints'),
        'shared': not config.flag('use_separate_rgb_encoder_per_camera', False),
        'crop_margin': _margin(config.take('crop_shape', None), features),
        'mean': mean,
        'std': std,
    }


def _margin(crop: Any, features: _Features) -> int:
    """Return the margin that is cropped on each side [px]."""
    size = next(iter(features.cameras.values()))
    wanted = list(size) if crop is None else crop
    pair = isinstance(wanted, list) and [type(side) for side in wanted] == [int, int]
    cut = [have - want for have, want in zip(size, wanted, strict=True)] if pair else [0, 1]
    if cut[0] != cut[1] or cut[0] % 2:
        raise SourceError(
            f'crop_shape = {shown(crop)} of images of {size}: only the same even number of pixels '
            'less in height and width can be represented'
        )
    return cut[0] // 2


def _load_weights(network: PolicyNetwork, tensors: Mapping[str, Tensor]) -> None:
    load_module(network.denoiser, rename(below(tensors, 'unet.'), UNET), 'unet')
    for index, (name, encoder) in enumerate(network.encoders.items()):
        prefix = 'rgb_encoder.' if name == 'shared' else f'rgb_encoder.{index}.'
        load_module(encoder, rename(below(tensors, prefix), RESNET), prefix.rstrip('.'))


def _state_bounds(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Widen the range of constant states so that they map to -1, as in LeRobot."""
    return low, torch.where(low == high, low + 2, high)
