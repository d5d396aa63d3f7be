# SPDX-License-Identifier: Apache-2.0
"""From one observation and a seed to a chunk of actions."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
import itertools
from typing import Any

from dp_ros.arrays import Array, Floats
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.engines import Engine
from dp_ros.policy.methods.method import drawn_from
from dp_ros.policy.normalizer import Normalizer
from dp_ros.policy.prefix import Prefix, given_prefix, longest_prefix
from dp_ros.robot.joint_names import FARTHEST
from dp_ros.values import ConfigError
import numpy as np
import torch
from torch import Tensor

Observation = Mapping[str, Any]
"""`state` (To, S), for a robot joint positions [rad]; `images`: (To, H, W, 3) uint8 by camera."""


@dataclass(frozen=True)
class Inference:
    """Chunks of actions for one observation.

    :param actions: (n_samples, n_points, J) actions [rad]; point k is for the observation's time
        + k·dt.
    :param steps: (n_steps + 1, n_samples, n_points, J) samples from noise to actions, or None.
    """

    actions: Array
    steps: Array | None


class Policy:
    """A trained policy, ready for inference.

    :param digest: sha256 of the weights, which identifies the policy.
    """

    def __init__(
        self, config: PolicyConfig, engine: Engine, actions: Normalizer, digest: str = ''
    ) -> None:
        self.config = config
        self.engine = engine
        self.digest = digest
        self._actions = actions.cpu()

    def infer(
        self,
        observation: Observation,
        seed: int,
        *,
        sampler: str = 'auto',
        num_inference_steps: int = 10,
        n_samples: int = 1,
        return_steps: bool = False,
        noise: Floats | None = None,
        prefix: Floats | None = None,
        conditioning: str = 'auto',
    ) -> Inference:
        """Return chunks for an observation; with one engine, a seed always gives the same chunks.

        :param sampler: sampler of the method, or 'auto' for its first.
        :param noise: (n_samples, Tp, n_in) noise to start from, instead of the seed's.
        :param prefix: (delay, J) committed actions [rad], with which the chunks begin; point k
            is for the observation's time + k·dt. None or none: the chunks are free.
        :param conditioning: how the chunks follow the prefix, as in `prefix`: ``auto``,
            ``none`` (it is ignored), ``guided`` or ``trained``.
        :raises ConfigError: for an observation, noise or prefix that does not fit, an unknown
            sampler, a number of steps out of range, or a conditioning the policy cannot do.
        """
        steps = self.walk(
            self.encode(observation),
            seed,
            sampler=sampler,
            num_inference_steps=num_inference_steps,
            n_samples=n_samples,
            noise=noise,
            prefix=prefix,
            conditioning=conditioning,
        )
        if return_steps:
            walked = np.stack(list(steps))
            return Inference(walked[-1], walked)
        return Inference(deque(steps, 1)[0], None)

    def encode(self, observation: Observation) -> Tensor:
        """Encode an observation to (1, D), once for all chunks that are denoised from it.

        :raises ConfigError: for an observation that does not fit.
        """
        self._check(observation)
        return self.engine.condition(observation['state'], observation['images'])

    def walk(
        self,
        cond: Tensor,
        seed: int,
        *,
        sampler: str = 'auto',
        num_inference_steps: int = 10,
        n_samples: int = 1,
        noise: Floats | None = None,
        prefix: Floats | None = None,
        conditioning: str = 'auto',
    ) -> Iterator[Array]:
        """Denoise step by step: yield chunks (n_samples, n_points, J) from noise to actions.

        The caller may stop in between. A method that does not denoise yields its one result.

        :raises ConfigError: for noise or a prefix that does not fit, an unknown sampler, a number
            of steps out of range, or a conditioning the policy cannot do.
        """
        begin = np.empty((0, len(self.config.joint_names))) if prefix is None else prefix
        kept = given_prefix(self.config, self._actions, begin, conditioning)
        steps = self._samples(cond, seed, sampler, num_inference_steps, n_samples, noise, kept)
        return (self._to_actions(step, begin[:0] if kept is None else begin) for step in steps)

    def _samples(
        self,
        cond: Tensor,
        seed: int,
        sampler: str,
        num_inference_steps: int,
        n_samples: int,
        noise: Floats | None,
        prefix: Prefix | None,
    ) -> Iterator[Tensor]:
        """Yield the normalised samples (n_samples, Tp, n_in) from noise to actions."""
        method = self.config.method
        method.check_sampling(sampler, num_inference_steps)
        shape = (n_samples, self.config.horizon, self.config.n_noise)
        draw = drawn_from(torch.Generator().manual_seed(seed))
        start = draw(torch.empty(shape))
        if noise is not None:
            start = _check_noise(noise, shape)
        name = method.sampler(sampler)
        return self.engine.walk(start, cond, name, num_inference_steps, draw, prefix)

    def _to_actions(self, normalised: Tensor, begin: Floats) -> Array:
        past = self.config.n_obs_steps - 1
        actions = self._actions.inverse(normalised.cpu())[..., past:, :]
        chunks = actions.numpy().astype(np.float64)
        chunks[:, : len(begin)] = begin  # Exactly, without the rounding of the denoising.
        return chunks

    def _check(self, observation: Observation) -> None:
        config = self.config
        state = np.asarray(observation['state'])
        expected = (config.n_obs_steps, len(config.observed_names))
        if state.shape != expected:
            raise ConfigError(f'state has shape {state.shape}: needs {expected}')
        for name, values in zip(config.observed_names, state.T, strict=True):
            if not (np.abs(values) < FARTHEST).all():  # Larger values overflow in the networks.
                raise ConfigError(f'state of {name} is {values.tolist()}: needs finite positions')
        for name, size in config.image_sizes.items():
            if name not in observation['images']:
                raise ConfigError(f'no image of camera {name!r} in the observation')
            shape = np.shape(observation['images'][name])
            needed = (config.n_obs_steps, *size, 3)
            if shape != needed:
                raise ConfigError(f'images of {name!r} have shape {shape}: needs {needed}')


def _check_noise(noise: Floats, shape: tuple[int, ...]) -> Tensor:
    values = np.asarray(noise, dtype=np.float32)
    if values.shape != shape or not np.isfinite(values).all():
        raise ConfigError(f'noise of shape {values.shape}: needs finite numbers of shape {shape}')
    return torch.from_numpy(values)


def chunk_seed(seed: int, index: int) -> int:
    """Return the seed of chunk ``index``, from 0, of a run with base seed ``seed``.

    Runs with neighbouring base seeds share no noise, as they would with ``seed + index``.
    """
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


def warm_up(
    policy: Policy, conditioning: str, n_samples: Collection[int], **sampling: Any
) -> None:
    """Make chunks of every kind: an engine prepares itself for each at its first chunk.

    :param n_samples: numbers of chunks that will be made at a time.
    :raises ConfigError: for options that the policy cannot use.
    """
    config = policy.config
    most = longest_prefix(config, conditioning)
    for count, n_committed in itertools.product(n_samples, (0, most) if most else (0,)):
        prefix = np.zeros((n_committed, len(config.joint_names)))
        asked: dict[str, Any] = {'n_samples': count, 'prefix': prefix}
        asked |= {'conditioning': conditioning} | sampling
        policy.infer(blank_observation(config), 0, **asked)


def blank_observation(config: PolicyConfig) -> dict[str, Any]:
    """Return an observation of black images and a state of zeros, to warm a policy up."""
    n_obs = config.n_obs_steps
    return {
        'state': np.zeros((n_obs, len(config.observed_names))),
        'images': {
            name: np.zeros((n_obs, *size, 3), np.uint8)
            for name, size in config.image_sizes.items()
        },
    }
