# SPDX-License-Identifier: Apache-2.0
"""Images to one feature vector: a vision transformer (Dosovitskiy et al. 2021) as in DINOv2.

Parameters have the names of DINOv2's own files and of timm's (Oquab et al. 2023), so that their
weights load unchanged from a local safetensors file; nothing is ever downloaded.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, ClassVar, Final, cast

from dp_ros.policy.encoders.encoder import Encoder
from dp_ros.policy.encoders.vision import cut_out
from dp_ros.values import ConfigError, require
from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig

_LAYER_SCALE: Final = 0.1  # Touvron et al. 2021 (CaiT), up to 18 blocks
_UNUSED: Final = 'mask_token'


@dataclass(frozen=True)
class Vit(Encoder):
    """Settings of the transformer; the defaults are those of DINOv2's ViT-S/14.

    :param patch_size: side of a patch [px], which must divide the crop.
    :param feature: output of the network: class token (``cls``) or ``mean`` of the patches.
    :param checkpoint: safetensors file with the weights that training starts from; empty: random
        ones. A trained policy holds its own weights and does not read the file.
    """

    name: ClassVar = 'vit'
    choices: ClassVar = {'feature': ('cls', 'mean')}
    lowest: ClassVar = Encoder.lowest | {'patch_size': 1, 'dim': 1, 'depth': 1, 'heads': 1}
    highest: ClassVar = {'depth': 256}

    patch_size: int = 14
    dim: int = 384
    depth: int = 12
    heads: int = 6
    feature: str = 'cls'
    checkpoint: str = ''

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.dim % self.heads == 0,
            f'vit.dim = {self.dim}: needs a multiple of vit.heads = {self.heads}',
        )
        require(self.dim % 4 == 0, f'vit.dim = {self.dim}: needs a multiple of 4')

    def check(self, policy: PolicyConfig) -> None:
        """Check that cropped images consist of whole patches."""
        super().check(policy)
        for name, size in policy.image_sizes.items():
            crop = self.crop(size)
            require(
                all(side % self.patch_size == 0 for side in crop),
                f'image_sizes of {name!r} {size}: {crop} px are left after crop_margin '
                f'{self.crop_margin}, needs multiples of vit.patch_size = {self.patch_size}',
            )

    @property
    def n_features(self) -> int:
        """Number of features: the width of the tokens."""
        return self.dim

    def make(self, size: tuple[int, int]) -> VisionTransformer:
        """Make the network of one camera."""
        return VisionTransformer(self.crop(size), self)

    def load_pretrained(self, network: nn.Module) -> None:
        """Load ``checkpoint``; its position embedding is interpolated to the crop.

        :raises ConfigError: when it cannot be read or does not fit.
        """
        if not self.checkpoint:
            return
        try:
            tensors = load_file(self.checkpoint)
            tensors.pop(_UNUSED, None)
            patches = cast(PatchEmbedding, network.patch_embed)
            tensors['pos_embed'] = fit_positions(tensors['pos_embed'], patches.grid)
            network.load_state_dict(tensors)
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise ConfigError(f'vit.checkpoint = {self.checkpoint!r}: {error}') from error


class VisionTransformer(nn.Module):
    """Images of one camera (B, 3, H, W) → features (B, dim).

    :param crop: (height, width) of the visible part of the image [px].
    """

    def __init__(self, crop: tuple[int, int], settings: Vit) -> None:
        super().__init__()
        self.crop, self.feature = crop, settings.feature
        dim = settings.dim
        self.patch_embed = PatchEmbedding(crop, settings.patch_size, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(make_positions(self.patch_embed.grid, dim))
        self.blocks = nn.ModuleList(Block(dim, settings.heads) for _ in range(settings.depth))
        self.norm = _norm(dim)
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def forward(self, images: Tensor, offset: Tensor | None = None) -> Tensor:
        """Encode images.

        :param offset: (B, 2) top and left of each crop [px]; None: the centre.
        """
        patches = self.patch_embed(cut_out(images, self.crop, offset))
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        tokens = tokens + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return tokens[:, 0] if self.feature == 'cls' else tokens[:, 1:].mean(dim=1)


class PatchEmbedding(nn.Module):
    """Images (B, 3, h, w) → patches (B, N, dim), row by row."""

    def __init__(self, size: tuple[int, int], patch: int, dim: int) -> None:
        super().__init__()
        self.grid = (size[0] // patch, size[1] // patch)
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        """Embed the patches of images."""
        return self.proj(images).flatten(2).transpose(1, 2)


class SelfAttention(nn.Module):
    """Self-attention over tokens (B, N, dim)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend."""
        shape = (*tokens.shape[:2], 3, self.heads, tokens.shape[2] // self.heads)
        query, key, value = self.qkv(tokens).reshape(shape).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(attended.transpose(1, 2).flatten(2))


class LayerScale(nn.Module):
    """A learned factor for each channel of a block's output."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), _LAYER_SCALE))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scale."""
        return self.gamma * tokens


class Block(nn.Module):
    """Attention and two layers, each around a residual, norm first."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(dim), _norm(dim)
        self.attn = SelfAttention(dim, heads)
        self.ls1, self.ls2 = LayerScale(dim), LayerScale(dim)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            fc1=nn.Linear(dim, 4 * dim), act=nn.GELU(), fc2=nn.Linear(4 * dim, dim)
        )
        self.mlp = nn.Sequential(layers)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, dim) to the same."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


def make_positions(grid: tuple[int, int], dim: int) -> Tensor:
    """Return the initial position embedding (1, 1 + N, dim).

    Sines and cosines of row and column, as in Beyer et al. 2022: from small random numbers a
    transformer needs many more demonstrations to learn where a patch is.
    """
    frequencies = 10_000 ** (-torch.arange(dim // 4) / (dim // 4))
    sides = torch.meshgrid(*(torch.arange(side) for side in grid), indexing='ij')
    angles = [side.flatten()[:, None] * frequencies for side in sides]
    waves = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)
    return torch.cat([torch.zeros(1, dim), waves])[None]


def fit_positions(embedding: Tensor, grid: tuple[int, int]) -> Tensor:
    """Interpolate the position embedding (1, 1 + n², dim) of square images to another grid."""
    token, patches = embedding[:, :1], embedding[:, 1:]
    side = isqrt(patches.shape[1])
    if (side, side) == grid:
        return embedding
    patches = patches.transpose(1, 2).reshape(1, -1, side, side)
    fitted = functional.interpolate(patches, grid, mode='bicubic', align_corners=False)
    return torch.cat([token, fitted.flatten(2).transpose(1, 2)], dim=1)


def _norm(dim: int) -> nn.LayerNorm:
    return nn.LayerNorm(dim, eps=1e-6)
