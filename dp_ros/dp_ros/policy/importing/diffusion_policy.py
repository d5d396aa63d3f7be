# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of Diffusion Policy's own code (Chi et al. 2023): a `.ckpt` of its workspaces.

Policies that condition on the observation: low-dimensional ones with U-Net or transformer, and
with U-Net those of images, whose encoder is robomimic's or `MultiImageObsEncoder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.importing import multi_image, restricted_pickle, robomimic
from dp_ros.policy.importing.source import (
    Imported,
    Names,
    Settings,
    SourceError,
    load_module,
    make_network,
    numbered,
    read_diffusion,
    set_bounds,
)
from dp_ros.policy.importing.weights import TRANSFORMER, UNET, below, rename
import torch
from torch import Tensor

_SCHEDULERS: Final = {'DDPMScheduler': 'ddpm', 'DDIMScheduler': 'ddim'}
# Defaults of diffusers for missing keys.
_SCHEDULER_DEFAULTS: Final[Mapping[str, Any]] = {
    'num_train_timesteps': 1000,
    'beta_schedule': 'linear',
    'beta_start': 0.0001,
    'beta_end': 0.02,
    'prediction_type': 'epsilon',
    'clip_sample': True,
}
_SCHEDULER_NEEDED: Final[Mapping[str, Any]] = {
    'variance_type': 'fixed_small',
    'trained_betas': None,
    'set_alpha_to_one': True,
    'steps_offset': 0,
    'thresholding': False,
    'timestep_spacing': 'leading',
    'rescale_betas_zero_snr': False,
}


def load(file: Path, names: Names) -> Imported:
    """Read a `.ckpt`.

    :raises SourceError: naming what cannot be read or represented.
    """
    return convert(restricted_pickle.load(file), names)


def convert(payload: Any, names: Names) -> Imported:
    """Make a policy from the contents of a `.ckpt`: `cfg` and `state_dicts`.

    :raises SourceError: naming what cannot be represented.
    """
    content = Settings(payload, 'checkpoint')
    cfg = Settings(content.take('cfg'), 'cfg')
    policy = Settings(cfg.take('policy'), 'policy')
    read_denoiser, renaming = _POLICIES[_class_name(policy, _POLICIES)]
    scheduler = Settings(policy.take('noise_scheduler'), 'noise_scheduler')
    sampler = _SCHEDULERS[_class_name(scheduler, _SCHEDULERS)]
    seen, n_joints = robomimic.read_observed(policy)
    tensors = _weights(content, cfg)
    multi = policy.take('obs_encoder', None)
    if multi is not None:
        seen = multi_image.in_its_order(seen)
    values: dict[str, Any] = {
        'task': {
            'joints': numbered(names.joints, n_joints, 'joint'),
            'state_names': numbered(names.states, seen.n_states, 'state'),
            'cameras': {name: {'size': size} for name, size in seen.cameras.items()},
            'dt': names.dt,
            **{key: policy.count(key) for key in ('horizon', 'n_obs_steps', 'n_action_steps')},
        },
        'method': _read_method(scheduler),
        'denoiser': read_denoiser(policy, Settings(policy.take('model', {}), 'policy.model')),
    }
    if multi is not None:
        encoder = Settings(multi, 'policy.obs_encoder')
        values['encoder'] = multi_image.read_encoder(encoder, seen, tensors)
    elif seen.cameras:
        values['encoder'] = robomimic.read_encoder(policy, seen, tensors)
    steps = policy.count('num_inference_steps', values['method']['num_train_timesteps'])
    policy.need('pred_action_steps_only', False)
    policy.need('eta', 0.0)
    policy.finish()
    network = make_network(values, tensors)
    denoiser = rename(below(tensors, 'model.'), renaming)
    load_module(network.denoiser, seen.reordered(denoiser, network), 'denoiser')
    (robomimic if multi is None else multi_image).load_encoders(network, tensors)
    bounds = [robomimic.bounds_of(tensors, key) for key in seen.states]
    set_bounds(network.states, *(torch.cat(ends) for ends in zip(*bounds, strict=True)))
    set_bounds(network.actions, *robomimic.bounds_of(tensors, 'action'))
    return Imported(network, sampler, steps)


def _class_name(settings: Settings, known: Mapping[str, Any]) -> str:
    """Return the name of a class that can be read here."""
    target = str(settings.take('_target_'))
    name = target.rpartition('.')[-1]
    if name not in known:
        raise SourceError(f'{target}: cannot be represented, only {", ".join(known)} can')
    return name


def _read_method(scheduler: Settings) -> Mapping[str, Any]:
    method = read_diffusion(scheduler, _SCHEDULER_DEFAULTS)
    for key, needed in _SCHEDULER_NEEDED.items():
        scheduler.need(key, needed)
    scheduler.finish()
    return method


def _read_unet(policy: Settings, model: Settings) -> Mapping[str, Any]:
    model.take('_target_', None)
    for key in ('input_dim', 'global_cond_dim'):
        model.take(key)
    policy.need('obs_as_global_cond', True, default=False)
    policy.need('obs_as_local_cond', False)
    policy.need('oa_step_convention', True, default=False)
    model.need('local_cond_dim', None)
    made = {
        'name': Unet.name,
        'down_dims': model.take('down_dims', (256, 512, 1024)),
        'kernel_size': model.take('kernel_size', 3),
        'n_groups': model.take('n_groups', 8),
        'out_groups': 8,
        'timestep_dim': model.take('diffusion_step_embed_dim', 256),
        'film_scale': model.take('cond_predict_scale', False),
        'skips': 'own',
    }
    model.finish()
    return made


def _read_hybrid(policy: Settings, model: Settings) -> Mapping[str, Any]:
    """Read the U-Net of a policy that makes it itself, from settings beside its own."""
    policy.need('obs_as_global_cond', True)
    model.finish()
    return {
        'name': Unet.name,
        'down_dims': policy.take('down_dims', (256, 512, 1024)),
        'kernel_size': policy.take('kernel_size', 5),
        'n_groups': policy.take('n_groups', 8),
        'out_groups': 8,
        'timestep_dim': policy.take('diffusion_step_embed_dim', 256),
        'film_scale': policy.take('cond_predict_scale', True),
        'skips': 'own',
    }


def _read_transformer(policy: Settings, model: Settings) -> Mapping[str, Any]:
    policy.need('obs_as_cond', True, default=False)
    model.need('time_as_cond', True)
    for key in ('_target_', 'input_dim', 'output_dim', 'horizon', 'n_obs_steps', 'cond_dim'):
        model.take(key, None)
    model.take('obs_as_cond', None)
    made = {
        'name': Transformer.name,
        'n_layers': model.take('n_layer', 12),
        'n_cond_layers': model.take('n_cond_layers', 0),
        'n_heads': model.take('n_head', 12),
        'embed_dim': model.take('n_emb', 768),
        'dropout': model.take('p_drop_emb', 0.1),
        'attention_dropout': model.take('p_drop_attn', 0.1),
        'causal': model.take('causal_attn', False),
    }
    model.finish()
    return made


def _weights(content: Settings, cfg: Settings) -> Mapping[str, Tensor]:
    """Return the weights that the source evaluates with: the averaged ones, if there are any."""
    training = Settings(cfg.take('training', {}), 'training')
    name = 'ema_model' if training.flag('use_ema', False) else 'model'
    states = Settings(content.take('state_dicts'), 'state_dicts')
    found = Settings(states.take(name), f'state_dicts.{name}').rest()
    strange = [key for key, value in found.items() if not isinstance(value, Tensor)]
    if strange:
        raise SourceError(f'state_dicts.{name}: {strange[0]} is no tensor')
    return found


# Reader of the denoiser's settings and names of its weights, by class.
_POLICIES: Final = {
    'DiffusionUnetLowdimPolicy': (_read_unet, UNET),
    'DiffusionTransformerLowdimPolicy': (_read_transformer, TRANSFORMER),
    'DiffusionUnetHybridImagePolicy': (_read_hybrid, UNET),
    'DiffusionUnetImagePolicy': (_read_hybrid, UNET),
}
