# SPDX-License-Identifier: Apache-2.0
"""Flow matching over action chunks (Lipman et al. 2023, with straight paths).

Time runs from noise at 0 to the chunk at 1, as in Lipman et al. and in pi0 (Black et al. 2024)::

    x(t) = t · chunk + (1 - t) · noise        velocity = chunk - noise

Rectified flow (Liu et al. 2023) has the same straight paths. The network learns the velocity, or
the chunk, which gives the velocity; samplers follow it from time 0 to 1 in equal steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from dp_ros.policy.methods.diffusion import check_clipping
from dp_ros.policy.methods.method import Denoise, Draw, Method
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig

_MOST_STEPS: Final = 1000
_LATEST: Final = 0.999
"""Latest time of 'beta': s of Black et al. 2024, appendix B."""
_LEAST: Final = 1e-6
"""Least time that is left: by rounding it may be 0."""


def _beta(zeros: Tensor) -> Tensor:
    """Draw times, early (noisy) ones more often: (s - t) / s is distributed as Beta(1.5, 1).

    Its distribution function is u^1.5, inverted in closed form (Black et al. 2024, appendix B).
    """
    return _LATEST * (1 - torch.rand_like(zeros) ** (1 / 1.5))


_TIMES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    'uniform': torch.rand_like,
    'logit_normal': lambda zeros: torch.randn_like(zeros).sigmoid(),
    'beta': _beta,
}


@dataclass(frozen=True)
class FlowMatching(Method):
    """Method that predicts the velocity from noise to chunk.

    :param prediction_type: output of the network: ``velocity``, or ``sample``, the chunk, which
        is learned in fewer steps where chunks are smooth and few-dimensional (Li and He 2025).
    :param time_sampling: distribution of the times in training: ``uniform``, ``logit_normal``
        (most in the middle, Esser et al. 2024) or ``beta`` (most near noise, Black et al. 2024).
    :param timestep_scale: timestep that the network gets at time 1; its sinusoidal embedding is
        made for timesteps that are far apart.
    :param clip_sample: whether the final chunk is clipped to the normalised range.
    """

    name: ClassVar = 'flow_matching'
    samplers: ClassVar = ('euler', 'heun')
    conditionings: ClassVar = ('guided', 'trained')
    choices: ClassVar = {
        'prediction_type': ('velocity', 'sample'),
        'time_sampling': tuple(_TIMES),
    }
    lowest: ClassVar = {'timestep_scale': 1.0}

    prediction_type: str = 'velocity'
    time_sampling: str = 'uniform'
    timestep_scale: float = 1000.0
    clip_sample: bool = True

    def check(self, policy: PolicyConfig) -> None:
        """Check that actions are normalised to their range if they are clipped."""
        check_clipping(self, self.clip_sample, policy)

    @property
    def max_inference_steps(self) -> int:
        """Most denoising steps: any number works, but more than this gains nothing."""
        return _MOST_STEPS

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None = None
    ) -> Tensor:
        """Return the mean squared error at random times (Lipman et al. 2023, eq. 23)."""
        noise = torch.randn_like(actions)
        time = _TIMES[self.time_sampling](actions.new_zeros(len(actions)))
        share = time[:, None, None]
        sample = share * actions + (1 - share) * noise
        target = actions if self.prediction_type == 'sample' else actions - noise
        return functional.mse_loss(denoise(sample, time * self.timestep_scale, cond), target)

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the noise, and the sample after every step.

        A step of Heun's method calls the network twice, except the last, which is one of Euler's
        (as in Karras et al. 2022, algorithm 1): at time 1 there is no noise left from which a
        velocity could be learned.
        """

        def velocity(sample: Tensor, step: int) -> Tensor:
            time = step / num_inference_steps
            timestep = sample.new_full((len(sample),), time * self.timestep_scale)
            prediction = denoise(sample, timestep, cond)
            if self.prediction_type == 'sample':
                return (prediction - sample) / (1 - time)
            return prediction

        sample = noise
        yield sample
        for step in range(num_inference_steps):
            slope = velocity(sample, step)
            if sampler == 'heun' and step + 1 < num_inference_steps:
                ahead = sample + slope / num_inference_steps
                slope = (slope + velocity(ahead, step + 1)) / 2
            sample = sample + slope / num_inference_steps
            if self.clip_sample and step + 1 == num_inference_steps:
                sample = sample.clamp(-1, 1)
            yield sample

    def answer(self, actions: Tensor, sample: Tensor, timestep: Tensor) -> Tensor:
        """Return the prediction by which a sample becomes these actions."""
        if self.prediction_type == 'sample':
            return actions
        left = (1 - timestep / self.timestep_scale).clamp(min=_LEAST)[:, None, None]
        return (actions - sample) / left
