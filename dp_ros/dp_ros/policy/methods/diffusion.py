# SPDX-License-Identifier: Apache-2.0
"""Denoising diffusion over action chunks (Ho et al. 2020; Song et al. 2021 for DDIM).

The schedules and the steps are diffusers'; the noise comes from outside, so that a seed gives the
same chunk again.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from dp_ros.policy.methods.method import Denoise, Method
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Diffusion(Method):
    """Predict the noise in a noisy chunk, or the chunk itself.

    :param num_train_timesteps: K, steps of the forward process.
    :param clip_sample: keep the denoised sample inside the normalised range.
    """

    name: ClassVar = 'diffusion'
    samplers: ClassVar = ('ddim', 'ddpm')
    choices: ClassVar = {
        'beta_schedule': ('squaredcos_cap_v2', 'linear', 'scaled_linear'),
        'prediction_type': ('epsilon', 'sample'),
    }
    lowest: ClassVar = {'num_train_timesteps': 1}

    num_train_timesteps: int = 100
    beta_schedule: str = 'squaredcos_cap_v2'
    prediction_type: str = 'epsilon'
    clip_sample: bool = True

    @property
    def max_inference_steps(self) -> int:
        """Denoising takes at most the steps of the forward process."""
        return self.num_train_timesteps

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, critic: nn.Module | None = None
    ) -> Tensor:
        """Mean squared error of the predicted noise, or sample, at random timesteps."""
        scheduler = make_scheduler(self, 'ddpm')
        noise = torch.randn_like(actions)
        timestep = torch.randint(self.num_train_timesteps, (len(actions),), device=actions.device)
        noisy = scheduler.add_noise(actions, noise, timestep)
        target = noise if self.prediction_type == 'epsilon' else actions
        return functional.mse_loss(denoise(noisy, timestep, cond), target)

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        generator: torch.Generator,
    ) -> Iterator[Tensor]:
        """Yield the noise, and the sample after every step."""
        # A copy, for setting the timesteps must not disturb a walk that is under way.
        scheduler = copy(make_scheduler(self, sampler))
        scheduler.set_timesteps(num_inference_steps)
        sample = noise
        yield sample
        for timestep in scheduler.timesteps:
            prediction = denoise(sample, timestep.expand(len(sample)), cond)
            sample = scheduler.step(prediction, timestep, sample, generator=generator).prev_sample
            yield sample


@cache
def make_scheduler(method: Diffusion, sampler: str) -> Any:
    """Make diffusers' scheduler, every setting written out; training uses DDPM's."""
    # diffusers takes over a second to import: only who denoises pays for it.
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    common = {
        'num_train_timesteps': method.num_train_timesteps,
        'beta_schedule': method.beta_schedule,
        'prediction_type': method.prediction_type,
        'clip_sample': method.clip_sample,
        'clip_sample_range': 1.0,
        'timestep_spacing': 'leading',
        'steps_offset': 0,
    }
    if sampler == 'ddpm':
        return DDPMScheduler(variance_type='fixed_small', **common)
    return DDIMScheduler(set_alpha_to_one=True, **common)
