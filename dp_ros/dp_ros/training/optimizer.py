# SPDX-License-Identifier: Apache-2.0
"""AdamW with its parameter groups, the schedule of the learning rate, and the precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from accelerate import Accelerator
from diffusers.optimization import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
)
from dp_ros.policy.methods.method import Method
from dp_ros.training.config import TrainConfig
from dp_ros.values import require
import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

_SCHEDULES: Final[Mapping[str, Callable[[Optimizer, TrainConfig], LRScheduler]]] = {
    'cosine': lambda o, s: get_cosine_schedule_with_warmup(o, s.warmup_steps, s.steps),
    'constant': lambda o, s: get_constant_schedule_with_warmup(o, s.warmup_steps),
}


def make_optimizer(
    module: nn.Module, settings: TrainConfig, betas: tuple[float, float] = Method.betas
) -> AdamW:
    """Make AdamW (Loshchilov and Hutter 2019) with the betas of a method."""
    decayed, free = split_parameters(module)
    groups = [
        {'params': decayed, 'weight_decay': settings.weight_decay},
        {'params': free, 'weight_decay': 0.0},
    ]
    return AdamW(groups, settings.learning_rate, betas, fused=True)


def split_parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split trained parameters into matrices, which decay, and the rest, which does not.

    The rest are norms, biases, embeddings and tokens: pulling them to zero regularises nothing.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            matrix = 'weight' in name and parameter.ndim > 1
            if parameter.requires_grad:
                embedding = isinstance(owner, nn.Embedding)
                (decayed if matrix and not embedding else free).append(parameter)
    return decayed, free


def make_schedule(optimizer: Optimizer, settings: TrainConfig) -> LRScheduler:
    """Make the schedule: a warm-up from zero, then the one that the settings name."""
    return _SCHEDULES[settings.lr_schedule](optimizer, settings)


def make_accelerator(settings: TrainConfig, device: str | None) -> Accelerator:
    """Make the accelerator, which spreads training over devices.

    :param device: 'cpu' to stay on the CPU; None: accelerate chooses.
    :raises ConfigError: for bf16 on a device that does not support it.
    """
    require(
        settings.mixed_precision == 'no' or (device != 'cpu' and has_bf16()),
        f'train.mixed_precision = {settings.mixed_precision!r}: needs a GPU with bfloat16; '
        "set it to 'no'",
    )
    return Accelerator(
        cpu=device == 'cpu',
        mixed_precision=settings.mixed_precision,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
    )


def has_bf16() -> bool:
    """Tell whether there is a GPU with native bfloat16."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
