# SPDX-License-Identifier: Apache-2.0
"""Denoising diffusion over action chunks (Ho et al. 2020; Song et al. 2021 for DDIM).

The schedules and the steps are diffusers'; the noise comes from outside, so that a seed gives the
same chunk again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dp_ros.policy.config import SAMPLERS, ConfigError, PolicyConfig
from dp_ros.policy.network import PolicyNetwork
import torch
from torch import Tensor
from torch.nn import functional

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(sample (B, Tp, J), timestep (B,), conditioning (B, D)) → prediction (B, Tp, J)."""


def make_scheduler(config: PolicyConfig, sampler: str) -> Any:
    """Make diffusers' scheduler, every setting written out.

    :param sampler: 'ddpm' or 'ddim'; training uses DDPM's forward process.
    """
    # diffusers takes over a second to import: only who denoises pays for it.
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    common = {
        'num_train_timesteps': config.num_train_timesteps,
        'beta_schedule': config.beta_schedule,
        'prediction_type': config.prediction_type,
        'clip_sample': config.clip_sample,
        'clip_sample_range': 1.0,
        'timestep_spacing': 'leading',
        'steps_offset': 0,
    }
    if sampler == 'ddpm':
        return DDPMScheduler(variance_type='fixed_small', **common)
    if sampler == 'ddim':
        return DDIMScheduler(set_alpha_to_one=True, **common)
    raise ConfigError(f'sampler = {sampler!r}: needs one of {SAMPLERS}')


def diffusion_loss(
    network: PolicyNetwork, scheduler: Any, actions: Tensor, cond: Tensor
) -> Tensor:
    """Mean squared error of the predicted noise, or sample, at random timesteps.

    :param actions: (B, Tp, J) normalised; ``cond``: (B, D).
    """
    noise = torch.randn_like(actions)
    steps = scheduler.config.num_train_timesteps
    timestep = torch.randint(steps, (len(actions),), device=actions.device)
    noisy = scheduler.add_noise(actions, noise, timestep)
    target = noise if scheduler.config.prediction_type == 'epsilon' else actions
    return functional.mse_loss(network.denoise(noisy, timestep, cond), target)


def sample_steps(
    denoise: Denoise,
    scheduler: Any,
    noise: Tensor,
    cond: Tensor,
    num_inference_steps: int,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Denoise, and yield the sample after every step, the noise itself first.

    :param noise: (B, Tp, J); ``cond``: (B, D); ``generator``: of the noise that DDPM adds.
    """
    scheduler.set_timesteps(num_inference_steps)
    sample = noise
    yield sample
    for timestep in scheduler.timesteps:
        prediction = denoise(sample, timestep.expand(len(sample)), cond)
        sample = scheduler.step(prediction, timestep, sample, generator=generator).prev_sample
        yield sample
