# SPDX-License-Identifier: Apache-2.0
"""How a policy is trained, as frozen values that check themselves."""

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
    """How a policy is trained.

    :param batch_size: windows of a batch, on each of the devices.
    :param gradient_accumulation_steps: batches of a step.
    :param lr_schedule: what follows the warm-up, down to zero by a ``cosine`` or ``constant``.
    :param weight_decay: of weight matrices; norms, biases and embeddings have none.
    :param mixed_precision: ``bf16`` for networks in bfloat16, with weights in float32.
    :param ema_power: exponent of the warm-up of the moving average of the weights.
    :param actions: what counts as the arm's actions: ``commanded``, or ``measured``, as where it
        was guided by hand; ``auto``: commanded where anything was.
    :param pad_after: steps that a window's actions may reach past the end of its episode, where
        its last action repeats; None: ``n_action_steps`` - 1, as in the papers.
    :param validation_share: share of the episodes kept out of training, in whole scenes.
    :param checkpoint_every: steps between two saved states, to resume from.
    :param keep_every: steps between two policies kept beside the last one; none if 0.
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
    """A training configuration file: the policy and how it is trained."""

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
        """Steps that actions may reach past the end of an episode."""
        given = self.train.pad_after
        return self.policy.n_action_steps - 1 if given is None else given


def parse_run(values: Mapping[str, Any], task: Task) -> RunConfig:
    """Make the configuration of a training run from a file's values, for a task.

    :raises ConfigError: for a section or a key that does not exist, or a value refused.
    """
    require(
        set(values) <= {'policy', 'train'},
        f'sections {sorted(map(str, values))}: needs task, policy and train',
    )
    return RunConfig(
        policy=policy_from_dict(values.get('policy') or {}, task),
        train=make_value(TrainConfig, values.get('train') or {}, 'train'),
    )
