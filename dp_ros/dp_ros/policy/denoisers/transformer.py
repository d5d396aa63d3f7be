# SPDX-License-Identifier: Apache-2.0
"""The time-series diffusion transformer of Diffusion Policy (Chi et al. 2023, section III-B).

Each action of the chunk is a token; so are the timestep and each frame of the observation. The
actions attend to these by cross-attention, or all tokens form one row. Layers normalise first
(Xiong et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dp_ros.policy.denoisers.denoiser import Denoiser, DenoiserNetwork, Shapes
from dp_ros.policy.denoisers.timestep import Sinusoid
from dp_ros.values import require
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Transformer(Denoiser):
    """Settings of the transformer.

    :param conditioning: ``cross_attention``: actions attend to the conditioning's tokens;
        ``prepended``: these stand before the actions in one row.
    :param n_cond_layers: layers of the conditioning's tokens on their own; 0: two linear layers.
        With ``prepended`` there are none.
    :param causal: whether an action attends only to itself and earlier actions, and by
        cross-attention only to the frames up to it, counted from the first.
    """

    name: ClassVar = 'transformer'
    choices: ClassVar = {'conditioning': ('cross_attention', 'prepended')}
    lowest: ClassVar = {
        'n_layers': 1,
        'n_cond_layers': 0,
        'n_heads': 1,
        'embed_dim': 2,
        'dropout': 0.0,
        'attention_dropout': 0.0,
    }
    highest: ClassVar = {'n_layers': 256, 'n_cond_layers': 256}

    n_layers: int = 8
    n_cond_layers: int = 0
    n_heads: int = 4
    embed_dim: int = 256
    dropout: float = 0.0
    attention_dropout: float = 0.3
    causal: bool = True
    conditioning: str = 'cross_attention'

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.embed_dim % self.n_heads == 0 and self.embed_dim % 2 == 0,
            f'transformer.embed_dim = {self.embed_dim}: needs an even multiple of '
            f'n_heads = {self.n_heads}',
        )
        for key in ('dropout', 'attention_dropout'):
            value = getattr(self, key)
            require(value < 1, f'transformer.{key} = {value}: needs a share below 1')
        require(
            self.n_cond_layers == 0 or self.conditioning == 'cross_attention',
            f'transformer.n_cond_layers = {self.n_cond_layers}: needs conditioning = '
            "'cross_attention'",
        )

    def make(self, shapes: Shapes) -> DenoiserNetwork:
        """Make the network."""
        crossed = self.conditioning == 'cross_attention'
        made = CrossTransformer(shapes, self) if crossed else PrependedTransformer(shapes, self)
        made.apply(_initialise)
        return made


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017)."""

    def __init__(self, settings: Transformer) -> None:
        super().__init__()
        dim = settings.embed_dim
        self.n_heads, self.dropout = settings.n_heads, settings.attention_dropout
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, key_value: Tensor, mask: Tensor | None) -> Tensor:
        """Let tokens (B, T, D) attend to others, given as keys and values (B, S, 2·D).

        :param mask: (T, S) whether a token may attend to another.
        """
        parts = (self.query(x), *key_value.chunk(2, dim=-1))
        query, key, value = (
            torch.unflatten(part, -1, (self.n_heads, -1)).transpose(1, 2) for part in parts
        )
        found = functional.scaled_dot_product_attention(
            query, key, value, mask, self.dropout if self.training else 0.0
        )
        return self.out(found.transpose(1, 2).flatten(2))


class FeedForward(nn.Sequential):
    """Two linear layers with four times the width between them."""

    def __init__(self, settings: Transformer) -> None:
        dim, dropout = settings.embed_dim, settings.attention_dropout
        super().__init__(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim)
        )


class Layer(nn.Module):
    """Self-attention, cross-attention to a memory if there is one, and a feed-forward."""

    def __init__(self, settings: Transformer, crossed: bool = False) -> None:
        super().__init__()
        dim = settings.embed_dim
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3 if crossed else 2))
        self.among = Attention(settings)
        self.across = Attention(settings) if crossed else None
        self.feed = FeedForward(settings)
        self.drop = nn.Dropout(settings.attention_dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Map (B, T, D) to the same, with the keys and values of a memory (B, S, 2·D)."""
        tokens = self.norms[0](x)
        x = x + self.drop(self.among(tokens, self.among.key_value(tokens), mask))
        if self.across is not None:
            x = x + self.drop(self.across(self.norms[1](x), memory, memory_mask))
        return x + self.drop(self.feed(self.norms[-1](x)))


class _TokenNetwork(DenoiserNetwork):
    """Common part of both variants: tokens of actions, timestep and frames, layers, a head."""

    mask: Tensor | None

    def __init__(self, shapes: Shapes, settings: Transformer, crossed: bool) -> None:
        super().__init__()
        dim = settings.embed_dim
        self.shapes = shapes
        self.timestep = Sinusoid(dim)
        self.frames = nn.Linear(shapes.frame_dim, dim) if shapes.n_obs_steps else None
        self.actions = nn.Linear(shapes.n_in, dim)
        self.drop = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(Layer(settings, crossed) for _ in range(settings.n_layers))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, shapes.n_out)

    def told(self, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return the tokens (B, 1 + To, D) of the timestep and of the frames."""
        token = self.timestep(timestep)[:, None]
        if self.frames is None:
            return token
        frames = torch.unflatten(cond, -1, (self.shapes.n_obs_steps, self.shapes.frame_dim))
        return torch.cat([token, self.frames(frames)], dim=1)

    def hide_later(self, n_tokens: int, causal: bool) -> None:
        """Mask for every token those that come after it, if ``causal``."""
        shown = torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()
        self.register_buffer('mask', shown if causal else None, persistent=False)


class CrossTransformer(_TokenNetwork):
    """Denoiser: sample (B, T, n_in), timesteps (B,), conditioning (B, D) → (B, T, n_out).

    The actions' tokens attend to those of the conditioning.
    """

    memory_mask: Tensor | None

    def __init__(self, shapes: Shapes, settings: Transformer) -> None:
        super().__init__(shapes, settings, crossed=True)
        dim, n_told = settings.embed_dim, 1 + shapes.n_obs_steps
        self.positions = nn.Parameter(torch.zeros(1, shapes.horizon, dim))
        self.cond_positions = nn.Parameter(torch.zeros(1, n_told, dim))
        self.encoder = nn.Sequential(*(Layer(settings) for _ in range(settings.n_cond_layers)))
        if not settings.n_cond_layers:
            self.encoder = nn.Sequential(
                nn.Linear(dim, 4 * dim), nn.Mish(), nn.Linear(4 * dim, dim)
            )
        self.hide_later(shapes.horizon, settings.causal)
        # The timestep comes before the first frame, and all tokens attend to it.
        shown = torch.ones(shapes.horizon, n_told, dtype=torch.bool).tril(1)
        self.register_buffer('memory_mask', shown if settings.causal else None, persistent=False)

    def prepare(self, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return each layer's keys and values of the conditioning, (B, n_layers, 1 + To, 2·D)."""
        memory = self.encoder(self.drop(self.told(timestep, cond) + self.cond_positions))
        layers: list[Any] = list(self.layers)
        return torch.stack([layer.across.key_value(memory) for layer in layers], dim=1)

    def predict(self, sample: Tensor, prepared: Tensor) -> Tensor:
        """Predict what it was trained for."""
        memories = prepared.expand(len(sample), -1, -1, -1).unbind(1)
        x = self.drop(self.actions(sample) + self.positions)
        for layer, memory in zip(self.layers, memories, strict=True):
            x = layer(x, self.mask, memory, self.memory_mask)
        return self.head(self.norm(x))


class PrependedTransformer(_TokenNetwork):
    """Denoiser: sample (B, T, n_in), timesteps (B,), conditioning (B, D) → (B, T, n_out).

    One row of tokens: those of the conditioning, then those of the actions.
    """

    def __init__(self, shapes: Shapes, settings: Transformer) -> None:
        super().__init__(shapes, settings, crossed=False)
        n_tokens = 1 + shapes.n_obs_steps + shapes.horizon
        self.positions = nn.Parameter(torch.zeros(1, n_tokens, settings.embed_dim))
        self.hide_later(n_tokens, settings.causal)

    def prepare(self, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return the tokens of the conditioning, (B, 1 + To, D)."""
        return self.told(timestep, cond)

    def predict(self, sample: Tensor, prepared: Tensor) -> Tensor:
        """Predict what it was trained for."""
        told = prepared.expand(len(sample), -1, -1)
        row = torch.cat([told, self.actions(sample)], dim=1)
        x = self.drop(row + self.positions)
        for layer in self.layers:
            x = layer(x, self.mask)
        return self.head(self.norm(x[:, -self.shapes.horizon :]))


def _initialise(module: nn.Module) -> None:
    """Draw weights and positions from N(0, 0.02²), biases zero, as GPT-2 (Radford et al. 2019)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    for name, parameter in module.named_parameters(recurse=False):
        if name.endswith('positions'):
            nn.init.normal_(parameter, std=0.02)
