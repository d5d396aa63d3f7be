# SPDX-License-Identifier: Apache-2.0
"""What a policy and its training are made of, as frozen values that check themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Final

from dp_ros.policy.component import (
    Component,
    ConfigError,
    make_component,
    make_value,
    require,
    shown,
)
from dp_ros.policy.denoisers import DENOISERS
from dp_ros.policy.denoisers.denoiser import Denoiser
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.encoders import ENCODERS
from dp_ros.policy.encoders.cnn import Cnn
from dp_ros.policy.encoders.encoder import Encoder
from dp_ros.policy.methods import METHODS
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.method import Method
from dp_ros.policy.normalizer import MODES

__all__ = ['ConfigError', 'PolicyConfig', 'RunConfig', 'TrainConfig']

_PARTS: Final[Mapping[str, Mapping[str, type[Component]]]] = {
    'method': METHODS,
    'denoiser': DENOISERS,
    'encoder': ENCODERS,
}
# What a chunk and an image have at most: a description of a few bytes must not ask for gigabytes.
_MOST_STEPS: Final = 4096
_MOST_PIXELS: Final = 4096
_MIN_DT: Final = 1e-3
_MAX_DT: Final = 60.0


@dataclass(frozen=True)
class PolicyConfig:
    """Everything needed to build a policy and to feed it.

    :param joint_names: what the actions are, in order.
    :param image_sizes: (height, width) [px] of each camera, in the cameras' order.
    :param state_names: what the observed state is, in order; empty: the joints.
    :param past_actions: whether the joints' commanded positions are observed too.
    :param dt: spacing of observations and of actions [s].
    :param n_obs_steps: To, frames in the observation window.
    :param horizon: Tp, actions denoised; the first To - 1 belong to the past of the window.
    :param n_action_steps: Ta, actions to follow before a new chunk is due.
    :param state_modes: how states are normalised, one mode of ``normalizer.MODES`` for all or
        one for each; ``action_modes``: likewise the actions.
    :param method: what is learned, as a part, its settings by name, or its name.
    :param denoiser: the network that maps noise to chunks; ``encoder``: the one for images.
    """

    joint_names: tuple[str, ...]
    image_sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    state_names: tuple[str, ...] = ()
    past_actions: bool = False
    dt: float = 0.1
    n_obs_steps: int = 2
    horizon: int = 16
    n_action_steps: int = 8
    state_modes: tuple[str, ...] = ('min_max',)
    action_modes: tuple[str, ...] = ('min_max',)
    method: Method = field(default_factory=Diffusion)
    denoiser: Denoiser = field(default_factory=Unet)
    encoder: Encoder = field(default_factory=Cnn)

    def __post_init__(self) -> None:
        for key in ('joint_names', 'state_names', 'state_modes', 'action_modes'):
            given = getattr(self, key)
            object.__setattr__(self, key, (given,) if isinstance(given, str) else tuple(given))
        object.__setattr__(self, 'state_names', self.state_names or self.joint_names)
        require(
            isinstance(self.image_sizes, Mapping),
            f'image_sizes = {shown(self.image_sizes)}: needs height and width [px] by camera',
        )
        sizes = {name: _size(name, size) for name, size in self.image_sizes.items()}
        object.__setattr__(self, 'image_sizes', sizes)
        for role, kinds in _PARTS.items():
            value = getattr(self, role)
            if not isinstance(value, Component):
                object.__setattr__(self, role, make_component(role, kinds, value))
        self._check_task()
        self._check_modes()
        for role in _PARTS:
            getattr(self, role).check(self)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, in order."""
        return tuple(self.image_sizes)

    @property
    def observed_names(self) -> tuple[str, ...]:
        """The values of a frame's state, in order: measured, then commanded ones."""
        if not self.past_actions:
            return self.state_names
        return (*self.state_names, *(f'{name} commanded' for name in self.joint_names))

    @property
    def n_points(self) -> int:
        """Actions of a chunk that do not belong to the past of the window."""
        return self.horizon - self.n_obs_steps + 1

    def _check_task(self) -> None:
        require(
            len(self.joint_names) > 0,
            'joint_names is empty: name the joints that the policy moves',
        )
        for key in ('joint_names', 'state_names'):
            names = getattr(self, key)
            require(len(set(names)) == len(names), f'{key} {names}: a name is used twice')
        require(
            not self.past_actions or self.state_names == self.joint_names,
            f'past_actions = True: needs the joints {self.joint_names} as state_names, '
            f'not {self.state_names}',
        )
        fits = _MIN_DT <= self.dt <= _MAX_DT
        require(fits, f'dt = {self.dt}: needs {_MIN_DT:g} to {_MAX_DT:g} s')
        fits = self.horizon <= _MOST_STEPS
        require(fits, f'horizon = {self.horizon}: needs at most {_MOST_STEPS}')
        require(self.n_obs_steps >= 1, f'n_obs_steps = {self.n_obs_steps}: needs at least 1')
        require(
            1 <= self.n_action_steps <= self.n_points,
            f'n_action_steps = {self.n_action_steps}: needs 1 to horizon - n_obs_steps + 1 '
            f'= {self.n_points}',
        )

    def _check_modes(self) -> None:
        counts = {'state_modes': len(self.observed_names), 'action_modes': len(self.joint_names)}
        for key, count in counts.items():
            given = getattr(self, key)
            for mode in given:
                require(mode in MODES, f'{key} = {mode!r}: needs one of {tuple(MODES)}')
            require(len(given) in (1, count), f'{key} = {given}: needs 1 or {count} modes')


def _size(camera: str, size: Sequence[int]) -> tuple[int, int]:
    pair = isinstance(size, list | tuple) and len(size) == 2
    fits = pair and all(type(side) is int and 0 < side <= _MOST_PIXELS for side in size)
    require(
        fits,
        f'image_sizes of {camera!r} = {shown(size)}: needs height and width, up to '
        f'{_MOST_PIXELS} px',
    )
    require(isinstance(camera, str), f'image_sizes of {camera!r}: needs a name')
    require('.' not in camera, f'image_sizes of {camera!r}: a name cannot hold a dot')
    return size[0], size[1]


@dataclass(frozen=True)
class TrainConfig(Component):
    """How a policy is trained.

    :param batch_size: windows of a batch, on each of the devices.
    :param gradient_accumulation_steps: batches of a step.
    :param lr_schedule: what follows the warm-up, down to zero by a ``cosine`` or ``constant``.
    :param weight_decay: of weight matrices; norms, biases and embeddings have none.
    :param mixed_precision: ``bf16`` for networks in bfloat16, with weights in float32.
    :param ema_power: exponent of the warm-up of the moving average of the weights.
    :param pad_after: steps that a window's actions may reach past the end of its episode, where
        its last action repeats; None: ``n_action_steps`` - 1, as in the papers.
    :param validation_share: share of the episodes kept out of training, in whole scenes.
    :param checkpoint_every: steps between two saved states, to resume from.
    :param keep_every: steps between two policies kept beside the last one; none if 0.
    """

    name: ClassVar = 'train'
    choices: ClassVar = {'lr_schedule': ('cosine', 'constant'), 'mixed_precision': ('no', 'bf16')}
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


def parse_run(values: Mapping[str, Any]) -> RunConfig:
    """Make the configuration of a training run from a file's values.

    :raises ConfigError: for a section or a key that does not exist, or a value refused.
    """
    require(
        set(values) <= {'policy', 'train'},
        f'sections {sorted(map(str, values))}: policy and train',
    )
    return RunConfig(
        policy=policy_from_dict(values.get('policy') or {}),
        train=make_value(TrainConfig, values.get('train') or {}, 'train'),
    )


def policy_from_dict(values: Mapping[str, Any]) -> PolicyConfig:
    """Make the configuration that ``to_dict`` wrote.

    :raises ConfigError: for a key that does not exist or a value refused.
    """
    config: PolicyConfig = make_value(PolicyConfig, values, 'policy')
    return config


def to_dict(config: PolicyConfig | TrainConfig) -> dict[str, Any]:
    """Return what JSON and YAML can hold."""
    if isinstance(config, TrainConfig):
        return asdict(config)
    values = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    parts = {role: values[role].to_dict() for role in _PARTS}
    return values | {'image_sizes': dict(config.image_sizes)} | parts
