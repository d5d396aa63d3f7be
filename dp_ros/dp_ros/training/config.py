# SPDX-License-Identifier: Apache-2.0
"""Training configuration: frozen values that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dp_ros.data.bags.bag import ACTIONS
from dp_ros.policy.component import Component
from dp_ros.policy.config import PolicyConfig, policy_from_dict
from dp_ros.task.task import Task
from dp_ros.values import make_value, require


@dataclass(frozen=True)
class TrainConfig(Component):
    """Settings of the training of a policy.

    :param start: folder of a trained policy whose weights training starts from; '': from random
        ones. The policies may differ in ``max_delay``.
    :param steps: number of steps of the optimiser.
    :param batch_size: windows of a batch, on each device.
    :param gradient_accumulation_steps: batches of a step.
    :param learning_rate: highest learning rate, reached at the end of the warm-up.
    :param lr_schedule: schedule after the warm-up: ``cosine``, down to zero, or ``constant``.
    :param weight_decay: weight decay of weight matrices; norms, biases and embeddings have none.
    :param warmup_steps: steps in which the learning rate rises from zero.
    :param gradient_clip: largest norm of the gradient.
    :param mixed_precision: ``bf16``: networks compute in bfloat16, with weights in float32.
    :param ema_power: exponent of the warm-up of the moving average of the weights.
    :param ema_max: largest decay of the moving average of the weights.
    :param seed: seed of the validation split, the initial weights, the batches and the noise.
    :param actions: positions that become the arm's actions: ``commanded``, ``measured`` (for hand
        guiding), or ``auto``: commanded if the recording holds a command, else measured.
    :param pad_after: steps that a window's actions may reach past the end of its episode, where
        its last action repeats; None: ``n_action_steps`` - 1, as in the papers.
    :param trim_idle: whether the rest at the start of an episode is left out, up to a step before
        the arm first moves by 0.01 rad: policies that learned to rest may never start.
    :param validation_share: share of the episodes kept out of training, in whole scenes.
    :param validation_every: steps between two measurements on these episodes.
    :param checkpoint_every: steps between two saved states, from which training can resume.
    :param keep_every: steps between two policies kept beside the last one; 0: none is kept.
    :param num_inference_steps: denoising steps of the measurements.
    """

    name: ClassVar = 'train'
    choices: ClassVar = {
        'actions': ACTIONS,
        'lr_schedule': ('cosine', 'constant'),
        'mixed_precision': ('no', 'bf16'),
    }
    lowest: ClassVar = {
        'steps': 1,
        'batch_size': 1,
        'gradient_accumulation_steps': 1,
        'weight_decay': 0,
        'warmup_steps': 0,
        'ema_max': 0,
        'seed': 0,
        'validation_every': 1,
        'checkpoint_every': 1,
        'keep_every': 0,
        'num_inference_steps': 1,
    }

    start: str = ''
    steps: int = 10_000
    batch_size: int = 64
    gradient_accumulation_steps: int = 1
    learning_rate: float = 3e-4
    lr_schedule: str = 'cosine'
    weight_decay: float = 1e-6
    warmup_steps: int = 300
    gradient_clip: float = 1.0
    mixed_precision: str = 'no'
    ema_power: float = 0.75
    ema_max: float = 0.999
    seed: int = 0
    actions: str = 'auto'
    pad_after: int | None = None
    trim_idle: bool = False
    validation_share: float = 0.05
    validation_every: int = 500
    checkpoint_every: int = 500
    keep_every: int = 0
    num_inference_steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ('learning_rate', 'gradient_clip', 'ema_power'):
            require(getattr(self, key) > 0, f'train.{key} = {getattr(self, key)}: needs > 0')
        require(self.ema_max < 1, f'train.ema_max = {self.ema_max}: needs less than 1')
        require(
            0 < self.validation_share < 1,
            f'train.validation_share = {self.validation_share}: needs a share between 0 and 1',
        )


@dataclass(frozen=True)
class RunConfig:
    """A training configuration: the policy, and how it is trained."""

    policy: PolicyConfig
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        self.policy.method.check_sampling('auto', self.train.num_inference_steps)
        most = self.policy.horizon - self.policy.n_obs_steps
        require(
            0 <= self.pad_after <= most,
            f'train.pad_after = {self.pad_after}: needs 0 to horizon - n_obs_steps = {most}',
        )

    @property
    def pad_after(self) -> int:
        """Number of steps that actions may reach past the end of an episode."""
        given = self.train.pad_after
        return self.policy.n_action_steps - 1 if given is None else given


def parse_run(values: Mapping[str, Any], task: Task) -> RunConfig:
    """Make a training configuration from the values of a file, for a task.

    :raises ConfigError: for an unknown section or key, or a value that is not allowed.
    """
    require(
        set(values) <= {'policy', 'train'},
        f'sections {sorted(map(str, values))}: needs task, policy and train',
    )
    return RunConfig(
        policy=policy_from_dict(values.get('policy') or {}, task),
        train=make_value(TrainConfig, values.get('train') or {}, 'train'),
    )
