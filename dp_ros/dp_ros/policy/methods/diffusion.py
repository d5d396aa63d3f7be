# SPDX-License-Identifier: Apache-2.0
"""Denoising diffusion over action chunks (Ho et al. 2020).

Samplers: DDIM (Song et al. 2021), DDPM, and DPM-Solver++ of second order (Lu et al. 2022). The
schedules are those of diffusers; the noise comes from outside, so that a seed gives the same
chunk again.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Final

from dp_ros.policy.methods.method import Denoise, Draw, Method
from dp_ros.policy.methods.schedulers import make_scheduler, make_steps
from dp_ros.values import require
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig

_DPM: Final = 'dpmsolver++'


@dataclass(frozen=True)
class Diffusion(Method):
    """Method that predicts the noise in a noisy chunk, the chunk, or the velocity.

    :param num_train_timesteps: K, number of steps of the forward process.
    :param beta_schedule: schedule of the noise, as in diffusers.
    :param beta_start: first variance of the linear schedules.
    :param beta_end: last variance of the linear schedules.
    :param prediction_type: output of the network: the noise (``epsilon``), the chunk (``sample``)
        or the velocity (``v_prediction``, Salimans and Ho 2022).
    :param clip_sample: whether the denoised chunk is clipped to the normalised range.
    """

    name: ClassVar = 'diffusion'
    samplers: ClassVar = ('ddim', 'ddpm', _DPM)
    conditionings: ClassVar = ('guided', 'trained')
    choices: ClassVar = {
        'beta_schedule': ('squaredcos_cap_v2', 'linear', 'scaled_linear'),
        'prediction_type': ('epsilon', 'sample', 'v_prediction'),
    }
    lowest: ClassVar = {'num_train_timesteps': 1}
    highest: ClassVar = {'num_train_timesteps': 10_000}

    num_train_timesteps: int = 100
    beta_schedule: str = 'squaredcos_cap_v2'
    beta_start: float = 0.0001
    beta_end: float = 0.02
    prediction_type: str = 'epsilon'
    clip_sample: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            0 < self.beta_start <= self.beta_end < 1,
            f'{self.name}.beta_start = {self.beta_start}, beta_end = {self.beta_end}: needs '
            '0 < beta_start <= beta_end < 1',
        )

    def check(self, policy: PolicyConfig) -> None:
        """Check that actions are normalised to their range if they are clipped."""
        check_clipping(self, self.clip_sample, policy)

    @property
    def max_inference_steps(self) -> int:
        """Most denoising steps: those of the forward process."""
        return self.num_train_timesteps

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None = None
    ) -> Tensor:
        """Return the mean squared error of the prediction, at random timesteps."""
        scheduler = make_scheduler(self, 'ddpm')
        noise = torch.randn_like(actions)
        timestep = torch.randint(self.num_train_timesteps, (len(actions),), device=actions.device)
        noisy = scheduler.add_noise(actions, noise, timestep)
        target = {'epsilon': noise, 'sample': actions}.get(self.prediction_type)
        if target is None:
            target = scheduler.get_velocity(actions, noise, timestep)
        return functional.mse_loss(denoise(noisy, timestep, cond), target)

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the noise, and the sample after every step."""
        sample = noise
        yield sample
        if sampler == _DPM:
            yield from self._solve(denoise, noise, cond, num_inference_steps)
            return
        for step in make_steps(self, sampler, num_inference_steps):
            sample = step(sample, denoise(sample, at(step.timestep, sample), cond), draw)
            yield sample

    def _solve(
        self, denoise: Denoise, sample: Tensor, cond: Tensor, num_inference_steps: int
    ) -> Iterator[Tensor]:
        """Yield the sample after every step of DPM-Solver++."""
        # A copy: setting the timesteps must not disturb a walk that is under way.
        scheduler = copy(make_scheduler(self, _DPM))
        scheduler.set_timesteps(timesteps=self.timesteps(num_inference_steps))
        for timestep in scheduler.timesteps:
            batch = at(int(timestep), sample)
            prediction = denoise(sample, batch, cond)
            clean = self.clip(self.clean_and_noise(prediction, sample, batch)[0])
            sample = scheduler.step(clean, timestep, sample).prev_sample
            yield sample

    def timesteps(self, num_inference_steps: int) -> list[int]:
        """Return timesteps spread from the noisy end of the forward process ('trailing').

        With 'leading' timesteps, which end at 0, the solver's last step would be far longer than
        the others in log-signal-to-noise, and its second order would overshoot.
        """
        count, total = num_inference_steps, self.num_train_timesteps
        return [step * total // count - 1 for step in range(count, 0, -1)]

    def signal(self, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma, the shares (B, 1, 1) of chunk and noise, at timesteps (B,)."""
        bar = _signal_shares(self, timestep.device)[timestep][:, None, None]
        return bar.sqrt(), (1 - bar).sqrt()

    def clean_and_noise(
        self, prediction: Tensor, sample: Tensor, timestep: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the chunk and the noise of a sample, according to a prediction.

        :param sample: (B, Tp, J) noisy chunk of the prediction; ``timestep``: (B,).
        """
        alpha, sigma = self.signal(timestep)
        if self.prediction_type == 'sample':
            return prediction, (sample - alpha * prediction) / sigma
        if self.prediction_type == 'epsilon':
            return (sample - sigma * prediction) / alpha, prediction
        return alpha * sample - sigma * prediction, alpha * prediction + sigma * sample

    def answer(self, actions: Tensor, sample: Tensor, timestep: Tensor) -> Tensor:
        """Return the prediction by which a sample becomes these actions."""
        if self.prediction_type == 'sample':
            return actions
        alpha, sigma = self.signal(timestep)
        noise = (sample - alpha * actions) / sigma
        return noise if self.prediction_type == 'epsilon' else alpha * noise - sigma * actions

    def clip(self, clean: Tensor) -> Tensor:
        """Clip a denoised chunk to the normalised range if ``clip_sample``."""
        return clean.clamp(-1, 1) if self.clip_sample else clean


def at(timestep: int, sample: Tensor) -> Tensor:
    """Return the timestep (B,) of every sample (B, Tp, J)."""
    return torch.full((len(sample),), timestep, device=sample.device)


@cache
def _signal_shares(method: Diffusion, device: torch.device) -> Tensor:
    """Return the squared share of the chunk at every timestep (K,)."""
    shares: Tensor = make_scheduler(method, 'ddpm').alphas_cumprod.to(device)
    return shares


def check_clipping(method: Method, clip_sample: bool, policy: PolicyConfig) -> None:
    """Check that clipped actions are normalised to their range.

    :raises ConfigError: naming both settings.
    """
    require(
        not clip_sample or 'mean_std' not in policy.action_modes,
        f'{method.name}.clip_sample = True: would cut actions at one standard deviation, for '
        "action_modes has 'mean_std'; needs clip_sample = false",
    )
