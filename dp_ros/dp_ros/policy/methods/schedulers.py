# SPDX-License-Identifier: Apache-2.0
"""The schedulers of diffusion, and DDIM and DDPM as tables.

The schedules are those of diffusers. The coefficients of a DDIM or DDPM step depend only on the
settings, so they are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from dp_ros.policy.methods.method import Draw
from torch import Tensor

if TYPE_CHECKING:
    from dp_ros.policy.methods.diffusion import Diffusion

TABLED: Final = ('ddim', 'ddpm')
"""Samplers whose steps `make_steps` makes."""


@dataclass(frozen=True)
class Step:
    """One step towards the clean chunk.

    :param timestep: timestep of the sample.
    :param clean: p, q, r of the clean chunk (p·sample + q·prediction) / r.
    :param clip: whether the clean chunk is clipped to the normalised range.
    :param onward: factors of clean chunk, sample and prediction in the next sample.
    :param noise: standard deviation of the noise that is added.
    """

    timestep: int
    clean: tuple[float, float, float]
    clip: bool
    onward: tuple[float, float, float]
    noise: float

    def __call__(self, sample: Tensor, prediction: Tensor, draw: Draw) -> Tensor:
        """Return the next sample (B, Tp, J)."""
        p, q, r = self.clean
        clean = sample.mul(p).add_(prediction, alpha=q).div_(r)
        if self.clip:
            clean.clamp_(-1, 1)
        of_clean, of_sample, of_prediction = self.onward
        moved = clean.mul_(of_clean).add_(sample, alpha=of_sample)
        moved.add_(prediction, alpha=of_prediction)
        if self.noise:
            moved.add_(draw(sample), alpha=self.noise)
        return moved

    @property
    def factors(self) -> tuple[float, ...]:
        """Everything that distinguishes the steps of a table, but for the timestep."""
        return (*self.clean, *self.onward, self.noise)


def step_by(
    factors: Tensor, clip: bool, sample: Tensor, prediction: Tensor, drawn: Tensor
) -> Tensor:
    """Return what a step does, for graphs: the same one for all steps, with their factors (7,)."""
    p, q, r, of_clean, of_sample, of_prediction, noise = factors
    clean = (p * sample + q * prediction) / r
    if clip:
        clean = clean.clamp(-1, 1)
    return of_clean * clean + of_sample * sample + of_prediction * prediction + noise * drawn


@cache
def make_steps(method: Diffusion, sampler: str, num_inference_steps: int) -> tuple[Step, ...]:
    """Return the steps of ``ddim`` (Song et al. 2021, eq. 12) or ``ddpm`` (Ho et al., eq. 7)."""
    bars = make_scheduler(method, sampler).alphas_cumprod.double()
    stride = method.num_train_timesteps // num_inference_steps
    timesteps = [index * stride for index in reversed(range(num_inference_steps))]
    make = {'ddim': _ddim, 'ddpm': _ddpm}[sampler]
    return tuple(
        make(method, timestep, float(bars[timestep]), float(bars[timestep - stride]))
        if timestep
        else make(method, 0, float(bars[0]), 1.0)
        for timestep in timesteps
    )


def _ddim(method: Diffusion, timestep: int, bar: float, bar_next: float) -> Step:
    alpha, sigma = bar**0.5, (1 - bar) ** 0.5
    noise_of = {
        'epsilon': (0.0, 1.0),
        'sample': (1 / sigma, -alpha / sigma),
        'v_prediction': (sigma, alpha),
    }[method.prediction_type]
    left = (1 - bar_next) ** 0.5
    onward = (bar_next**0.5, left * noise_of[0], left * noise_of[1])
    return _step(method, timestep, bar, onward, 0.0)


def _ddpm(method: Diffusion, timestep: int, bar: float, bar_next: float) -> Step:
    ratio = bar / bar_next
    of_clean = bar_next**0.5 * (1 - ratio) / (1 - bar)
    of_sample = ratio**0.5 * (1 - bar_next) / (1 - bar)
    variance = (1 - bar_next) / (1 - bar) * (1 - ratio)
    return _step(method, timestep, bar, (of_clean, of_sample, 0.0), variance**0.5)


def _step(
    method: Diffusion, timestep: int, bar: float, onward: tuple[float, float, float], noise: float
) -> Step:
    alpha, sigma = bar**0.5, (1 - bar) ** 0.5
    clean = {
        'epsilon': (1.0, -sigma, alpha),
        'sample': (0.0, 1.0, 1.0),
        'v_prediction': (alpha, -sigma, 1.0),
    }[method.prediction_type]
    return Step(timestep, clean, method.clip_sample, onward, noise)


@cache
def make_scheduler(method: Diffusion, sampler: str) -> Any:
    """Make diffusers' scheduler with all settings given; training uses that of DDPM."""
    # diffusers takes over a second to import: it is only imported to denoise.
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    betas = {
        'num_train_timesteps': method.num_train_timesteps,
        'beta_schedule': method.beta_schedule,
        'beta_start': method.beta_start,
        'beta_end': method.beta_end,
        'trained_betas': None,
        'rescale_betas_zero_snr': False,
        'thresholding': False,
        'timestep_spacing': 'leading',
        'steps_offset': 0,
    }
    if sampler == 'dpmsolver++':
        return _make_dpm_solver(betas)
    common = betas | {
        'prediction_type': method.prediction_type,
        'clip_sample': method.clip_sample,
        'clip_sample_range': 1.0,
    }
    if sampler == 'ddpm':
        return DDPMScheduler(variance_type='fixed_small', **common)
    return DDIMScheduler(set_alpha_to_one=True, **common)


def _make_dpm_solver(betas: dict[str, Any]) -> Any:
    """Make DPM-Solver++(2M), an ODE solver that adds no noise.

    It gets the clean chunk, whatever the network predicts, because it would not clip it. The last
    step is of first order and ends without noise.
    """
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        algorithm_type='dpmsolver++',
        solver_order=2,
        solver_type='midpoint',
        prediction_type='sample',
        lower_order_final=True,
        euler_at_final=False,
        final_sigmas_type='zero',
        lambda_min_clipped=-float('inf'),
        variance_type=None,
        use_karras_sigmas=False,
        use_exponential_sigmas=False,
        use_beta_sigmas=False,
        use_lu_lambdas=False,
        use_flow_sigmas=False,
        use_dynamic_shifting=False,
        **betas,
    )
