# SPDX-License-Identifier: Apache-2.0
"""The networks of one policy: image encoders, denoiser, and the normalisers between."""

from __future__ import annotations

from collections.abc import Mapping

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.denoiser import Shapes
from dp_ros.policy.normalizer import MinMaxNormalizer
import torch
from torch import Tensor, nn


class PolicyNetwork(nn.Module):
    """Observation window → conditioning, and conditioned denoising.

    Shapes: B batch, To ``n_obs_steps``, Tp ``horizon``, S state values, J joints.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.states = MinMaxNormalizer(len(config.state_names))
        self.actions = MinMaxNormalizer(len(config.joint_names))
        self.encoders = nn.ModuleDict(
            {name: config.encoder.make(size) for name, size in config.image_sizes.items()}
        )
        self.shapes = denoiser_shapes(config)
        self.denoiser = config.denoiser.make(self.shapes)

    def condition(
        self, state: Tensor, images: Mapping[str, Tensor], random_crop: bool = False
    ) -> Tensor:
        """Encode an observation window.

        :param state: (B, To, S); ``images``: (B, To, 3, H, W) uint8 per camera.
        :param random_crop: crop at random, all frames of a window alike, as in training.
        :returns: (B, To · frame_dim).
        """
        frames = [self.states(state)]
        for name, encoder in self.encoders.items():
            stack = images[name]
            n_batch, n_frames = stack.shape[:2]
            pixels = stack.flatten(0, 1).to(torch.float32) / 255
            offset = None
            if random_crop:
                limit = 2 * self.config.encoder.crop_margin + 1
                offset = torch.randint(limit, (n_batch, 2), device=stack.device)
                offset = offset.repeat_interleave(n_frames, dim=0).to(torch.float32)
            frames.append(encoder(pixels, offset).unflatten(0, (n_batch, n_frames)))
        return torch.cat(frames, dim=-1).flatten(1)

    def denoise(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Ask the denoiser, all values normalised, at timesteps (B,)."""
        prediction: Tensor = self.denoiser(sample, timestep, cond)
        return prediction


def denoiser_shapes(config: PolicyConfig) -> Shapes:
    """Return what the denoiser of a policy maps."""
    n_joints = len(config.joint_names)
    features = config.encoder.n_features * len(config.image_sizes)
    return Shapes(
        n_in=config.method.n_in(n_joints),
        n_out=config.method.n_out(n_joints),
        horizon=config.horizon,
        n_obs_steps=config.n_obs_steps,
        frame_dim=len(config.state_names) + features,
    )
