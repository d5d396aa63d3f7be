# SPDX-License-Identifier: Apache-2.0
"""The networks of one policy: image encoders, denoiser, and the normalisers between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.denoiser import Shapes
from dp_ros.policy.methods.method import Draw
from dp_ros.policy.normalizer import Normalizer
from dp_ros.values import require
import torch
from torch import Tensor, nn

_SHARED: Final = 'shared'


class PolicyNetwork(nn.Module):
    """Observation window → conditioning, and conditioned denoising.

    Shapes: B batch, To ``n_obs_steps``, Tp ``horizon``, S state values, J joints.

    :raises ConfigError: when the method lacks what training fills in.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        config.method.check_complete()
        self.config = config
        self.states = Normalizer(len(config.observed_names))
        self.actions = Normalizer(len(config.joint_names))
        self.encoders = nn.ModuleDict(
            {name: config.encoder.make(size) for name, size in _encoder_sizes(config).items()}
        )
        self.shapes = denoiser_shapes(config)
        self.denoiser = config.denoiser.make(self.shapes)

    def load_pretrained(self) -> None:
        """Load what the encoders' settings want training to start from.

        :raises ConfigError: when it cannot be read or does not fit.
        """
        for encoder in self.encoders.values():
            self.config.encoder.load_pretrained(encoder)

    def condition(
        self, state: Tensor, images: Mapping[str, Tensor], augment: bool = False
    ) -> Tensor:
        """Encode an observation window.

        :param state: (B, To, S); ``images``: (B, To, 3, H, W) uint8 per camera.
        :param augment: crop and colour at random, all frames of a window alike, as in training.
        :returns: (B, To · frame_dim).
        """
        frames = [self.states(state)]
        frames += [self._encode(name, images[name], augment) for name in self.config.camera_names]
        return torch.cat(frames, dim=-1).flatten(1)

    def _encode(self, camera: str, stack: Tensor, augment: bool) -> Tensor:
        """Encode (B, To, 3, H, W) to (B, To, n_features)."""
        settings = self.config.encoder
        pixels, offset = stack.flatten(0, 1).to(torch.float32) / 255, None
        if augment:
            pixels, offset = settings.augment(pixels, stack.shape[1])
        encoder = self.encoders[_SHARED if settings.shared else camera]
        features: Tensor = encoder(settings.normalize(pixels), offset)
        return features.reshape(*stack.shape[:2], -1)

    def denoise(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Ask the denoiser, all values normalised, at timesteps (B,)."""
        prediction: Tensor = self.denoiser(sample, timestep, cond)
        return prediction

    def sample(
        self,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Tensor:
        """Draw a batch of chunks of actions (B, Tp, J), without an engine.

        :param noise: (B, Tp, n_in) to start from; ``cond``: (B, D).
        """
        method = self.config.method
        *_, chunks = method.walk(
            self.denoise, noise, cond, method.sampler(sampler), num_inference_steps, draw
        )
        return self.actions.inverse(chunks)


def check_size(config: PolicyConfig, n_values: int) -> None:
    """Refuse a configuration of larger networks than there are weights, before they are made.

    :raises ConfigError: saying how many weights they have.
    """
    with torch.device('meta'):  # Shapes alone, which take no memory.
        needed = sum(value.numel() for value in PolicyNetwork(config).state_dict().values())
    require(needed <= n_values, f'networks of {needed} weights: there are {n_values}')


def _encoder_sizes(config: PolicyConfig) -> Mapping[str, tuple[int, int]]:
    """Return the size of the images that each encoder is for."""
    if config.encoder.shared and config.image_sizes:
        return {_SHARED: next(iter(config.image_sizes.values()))}
    return config.image_sizes


def denoiser_shapes(config: PolicyConfig) -> Shapes:
    """Return what the denoiser of a policy maps."""
    n_joints = len(config.joint_names)
    features = config.encoder.n_features * len(config.image_sizes)
    return Shapes(
        n_in=config.method.n_in(n_joints),
        n_out=config.method.n_out(n_joints),
        horizon=config.horizon,
        n_obs_steps=config.n_obs_steps,
        frame_dim=len(config.observed_names) + features,
    )
