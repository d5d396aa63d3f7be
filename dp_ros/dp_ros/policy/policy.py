# SPDX-License-Identifier: Apache-2.0
"""From one observation and a seed to a chunk of actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dp_ros.policy.config import ConfigError, PolicyConfig
from dp_ros.policy.diffusion import make_scheduler, sample_steps
from dp_ros.policy.engine import Engine
from dp_ros.policy.normalizer import MinMaxNormalizer
from dp_ros.policy.regression import regress
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

Observation = Mapping[str, Any]
"""`joint_positions` (To, J) [rad] and `images`: camera → (To, H, W, 3) uint8."""


@dataclass(frozen=True)
class Inference:
    """Chunks of actions for one observation.

    :param actions: (n_samples, n_points, J) [rad]; point k is for the observation's time + k·dt.
    :param steps: (n_steps + 1, n_samples, n_points, J) from noise to actions, or None.
    """

    actions: NDArray[np.float64]
    steps: NDArray[np.float64] | None


class Policy:
    """A trained policy that can be asked."""

    def __init__(self, config: PolicyConfig, engine: Engine, actions: MinMaxNormalizer) -> None:
        self.config = config
        self.engine = engine
        self._actions = actions.cpu()
        self._schedulers: dict[str, Any] = {}

    def infer(
        self,
        observation: Observation,
        seed: int,
        *,
        sampler: str = 'ddim',
        num_inference_steps: int = 10,
        n_samples: int = 1,
        return_steps: bool = False,
        noise: NDArray[np.floating[Any]] | None = None,
    ) -> Inference:
        """Denoise chunks; the same observation and seed give the same chunks.

        :param noise: (n_samples, Tp, J) to start from, instead of the seed's.
        :raises ConfigError: for an observation of another shape or a sampler that is none.
        """
        self._check(observation, num_inference_steps)
        cond = self.engine.condition(observation['joint_positions'], observation['images'])
        cond = cond.expand(n_samples, -1)
        generator = torch.Generator().manual_seed(seed)
        shape = (n_samples, self.config.horizon, len(self.config.joint_names))
        if self.config.method == 'regression':
            steps = [regress(self.engine.denoise, torch.zeros(shape), cond)]
        else:
            start = torch.randn(shape, generator=generator)
            if noise is not None:
                start = torch.from_numpy(np.asarray(noise, dtype=np.float32)).reshape(shape)
            walk = sample_steps(
                self.engine.denoise,
                self._scheduler(sampler),
                start,
                cond,
                num_inference_steps,
                generator,
            )
            steps = list(walk)
        wanted = torch.stack(steps if return_steps else steps[-1:])
        values = self._to_actions(wanted)
        return Inference(values[-1], values if return_steps else None)

    def _scheduler(self, sampler: str) -> Any:
        if sampler not in self._schedulers:
            self._schedulers[sampler] = make_scheduler(self.config, sampler)
        return self._schedulers[sampler]

    def _to_actions(self, normalised: Tensor) -> NDArray[np.float64]:
        past = self.config.n_obs_steps - 1
        return self._actions.inverse(normalised)[..., past:, :].numpy().astype(np.float64)

    def _check(self, observation: Observation, num_inference_steps: int) -> None:
        config = self.config
        expected = (config.n_obs_steps, len(config.joint_names))
        shape = np.shape(observation['joint_positions'])
        if shape != expected:
            raise ConfigError(f'joint_positions have shape {shape}: needs {expected}')
        for name, size in config.image_sizes.items():
            if name not in observation['images']:
                raise ConfigError(f'no image of camera {name!r} in the observation')
            shape = np.shape(observation['images'][name])
            if shape != (config.n_obs_steps, *size, 3):
                raise ConfigError(
                    f'images of {name!r} have shape {shape}: '
                    f'needs {(config.n_obs_steps, *size, 3)}'
                )
        if not 1 <= num_inference_steps <= config.num_train_timesteps:
            raise ConfigError(
                f'num_inference_steps = {num_inference_steps}: '
                f'needs 1 to {config.num_train_timesteps}'
            )
