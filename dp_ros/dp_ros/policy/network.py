# SPDX-License-Identifier: Apache-2.0
"""The networks of one policy: image encoders, denoiser, and the normalisers between."""

from __future__ import annotations

from collections.abc import Mapping

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.encoder import ImageEncoder
from dp_ros.policy.normalizer import MinMaxNormalizer
from dp_ros.policy.unet import ConditionalUnet1D
import torch
from torch import Tensor, nn


class PolicyNetwork(nn.Module):
    """Observation window → conditioning, and conditioned denoising.

    Shapes: B batch, To ``n_obs_steps``, Tp ``horizon``, J joints.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        n_joints = len(config.joint_names)
        self.joints = MinMaxNormalizer(n_joints)
        self.actions = MinMaxNormalizer(n_joints)
        self.encoders = nn.ModuleDict(
            {name: _encoder(config, size) for name, size in config.image_sizes.items()}
        )
        frame_dim = n_joints + 2 * config.n_keypoints * len(config.image_sizes)
        self.cond_dim = config.n_obs_steps * frame_dim
        self.denoiser = ConditionalUnet1D(
            n_joints,
            self.cond_dim,
            config.down_dims,
            config.kernel_size,
            config.n_groups,
            config.timestep_dim,
        )

    def condition(
        self, joint_positions: Tensor, images: Mapping[str, Tensor], random_crop: bool = False
    ) -> Tensor:
        """Encode an observation window.

        :param joint_positions: (B, To, J) [rad]; ``images``: (B, To, 3, H, W) uint8 per camera.
        :param random_crop: crop at random, all frames of a window alike, as in training.
        :returns: (B, cond_dim).
        """
        frames = [self.joints(joint_positions)]
        for name, encoder in self.encoders.items():
            stack = images[name]
            n_batch, n_frames = stack.shape[:2]
            pixels = stack.flatten(0, 1).to(torch.float32) / 255
            offset = None
            if random_crop:
                limit = 2 * self.config.crop_margin + 1
                offset = torch.randint(limit, (n_batch, 2), device=stack.device)
                offset = offset.repeat_interleave(n_frames, dim=0).to(torch.float32)
            frames.append(encoder(pixels, offset).unflatten(0, (n_batch, n_frames)))
        return torch.cat(frames, dim=-1).flatten(1)

    def denoise(self, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Predict noise or clean actions, normalised, (B, Tp, J), at timesteps (B,)."""
        return self.denoiser(sample, timestep, cond)


def _encoder(config: PolicyConfig, size: tuple[int, int]) -> ImageEncoder:
    crop = (size[0] - 2 * config.crop_margin, size[1] - 2 * config.crop_margin)
    return ImageEncoder(size, crop, config.encoder_channels, config.n_keypoints)
