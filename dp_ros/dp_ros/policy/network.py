# SPDX-License-Identifier: Apache-2.0
"""The networks of one policy: image encoders, denoiser and normalisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.denoiser import Shapes
from dp_ros.policy.methods.method import Draw
from dp_ros.policy.normalizer import Normalizer
from dp_ros.policy.prefix import Prefix, committed
from dp_ros.values import ConfigError, require
import torch
from torch import Tensor, nn

_SHARED: Final = 'shared'


class PolicyNetwork(nn.Module):
    """Observation window → conditioning, and conditioned denoising.

    Shapes: B batch, To ``n_obs_steps``, Tp ``horizon``, S state values, J joints.

    :raises ConfigError: when the method lacks a setting that training fills in.
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
        """Load the weights that training starts from, if the encoders' settings name any.

        :raises ConfigError: when they cannot be read or do not fit.
        """
        for encoder in self.encoders.values():
            self.config.encoder.load_pretrained(encoder)

    def condition(
        self, state: Tensor, images: Mapping[str, Tensor], augment: bool = False
    ) -> Tensor:
        """Encode an observation window.

        :param state: (B, To, S) states; ``images``: (B, To, 3, H, W) uint8 per camera.
        :param augment: whether to crop and colour at random, all frames of a window alike.
        :returns: (B, To · frame_dim) conditioning.
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
        index = self.config.camera_names.index(camera)
        features: Tensor = encoder(settings.normalize(pixels, index), offset)
        return features.reshape(*stack.shape[:2], -1)

    def denoise(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return the denoiser's prediction at timesteps (B,); all values are normalised.

        Where the policy was trained with a prefix, the sample holds its channel too.
        """
        prediction: Tensor = self.denoiser(sample, timestep, cond)
        return prediction

    def sample(
        self,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
        prefix: Prefix | None = None,
    ) -> Tensor:
        """Draw a batch of chunks of actions (B, Tp, J), without an engine.

        :param noise: (B, Tp, n_in) noise to start from; ``cond``: (B, D) conditioning.
        """
        method, denoise = self.config.method, committed(self.config, self.denoise, prefix)
        *_, chunks = method.walk(
            denoise, noise, cond, method.sampler(sampler), num_inference_steps, draw
        )
        return self.actions.inverse(chunks)


def check_size(config: PolicyConfig, n_values: int) -> None:
    """Check that networks need no more weights than there are, before they are built.

    :raises ConfigError: with the number of weights they need.
    """
    try:
        with torch.device('meta'):  # Only shapes, which take no memory.
            needed = sum(value.numel() for value in PolicyNetwork(config).state_dict().values())
    except TypeError:  # So torch refuses sizes of more than 63 bits.
        raise ConfigError('networks have a size of more than 63 bits') from None
    require(needed <= n_values, f'networks of {needed} weights: there are {n_values}')


def _encoder_sizes(config: PolicyConfig) -> Mapping[str, tuple[int, int]]:
    """Return the size of each encoder's images."""
    if config.encoder.shared and config.image_sizes:
        return {_SHARED: next(iter(config.image_sizes.values()))}
    return config.image_sizes


def denoiser_shapes(config: PolicyConfig) -> Shapes:
    """Return the shapes of a policy's denoiser."""
    n_joints = len(config.joint_names)
    features = config.encoder.n_features * len(config.image_sizes)
    return Shapes(
        n_in=config.n_noise + (config.max_delay > 0),
        n_out=config.method.n_out(n_joints),
        horizon=config.horizon,
        n_obs_steps=config.n_obs_steps,
        frame_dim=len(config.observed_names) + features,
    )
