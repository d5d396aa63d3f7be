# SPDX-License-Identifier: Apache-2.0
"""What a policy and its training are made of, as frozen values that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

METHODS: Final = ('diffusion', 'regression')
SAMPLERS: Final = ('ddim', 'ddpm')
PREDICTION_TYPES: Final = ('epsilon', 'sample')
BETA_SCHEDULES: Final = ('squaredcos_cap_v2', 'linear', 'scaled_linear')
ENCODER_GROUPS: Final = 4


class ConfigError(ValueError):
    """A configuration contradicts itself; the message names the value."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class PolicyConfig:
    """Everything needed to build a policy and to feed it.

    :param joint_names: the joints, in the order of observations and actions.
    :param image_sizes: (height, width) [px] of each camera, in the cameras' order.
    :param dt: spacing of observations and of actions [s].
    :param n_obs_steps: To, frames in the observation window.
    :param horizon: Tp, actions denoised; the first To - 1 belong to the past of the window.
    :param n_action_steps: Ta, actions to follow before a new chunk is due.
    :param method: 'diffusion', or 'regression' for the squared-error baseline.
    :param crop_margin: how far the image is cropped on each side [px]; at random in training.
    :param num_train_timesteps: K, steps of the forward process.
    :param clip_sample: keep the denoised sample inside the normalised range.
    """

    joint_names: tuple[str, ...]
    image_sizes: Mapping[str, tuple[int, int]]
    dt: float = 0.1
    n_obs_steps: int = 2
    horizon: int = 16
    n_action_steps: int = 8
    method: str = 'diffusion'
    crop_margin: int = 4
    encoder_channels: tuple[int, ...] = (24, 32, 32)
    n_keypoints: int = 24
    down_dims: tuple[int, ...] = (48, 96, 192)
    kernel_size: int = 5
    n_groups: int = 8
    timestep_dim: int = 64
    num_train_timesteps: int = 100
    beta_schedule: str = 'squaredcos_cap_v2'
    prediction_type: str = 'epsilon'
    clip_sample: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, 'joint_names', tuple(self.joint_names))
        sizes = {name: (int(size[0]), int(size[1])) for name, size in self.image_sizes.items()}
        object.__setattr__(self, 'image_sizes', sizes)
        for name in ('encoder_channels', 'down_dims'):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_task()
        self._check_net()

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, in order."""
        return tuple(self.image_sizes)

    @property
    def n_points(self) -> int:
        """Actions of a chunk that do not belong to the past of the window."""
        return self.horizon - self.n_obs_steps + 1

    def _check_task(self) -> None:
        names = self.joint_names
        _require(len(names) > 0, 'joint_names is empty: name the joints that the policy moves')
        _require(len(set(names)) == len(names), f'joint_names {names}: a name is used twice')
        _require(self.dt > 0, f'dt = {self.dt}: needs a positive time [s]')
        _require(self.n_obs_steps >= 1, f'n_obs_steps = {self.n_obs_steps}: needs at least 1')
        _require(
            1 <= self.n_action_steps <= self.n_points,
            f'n_action_steps = {self.n_action_steps}: needs 1 to horizon - n_obs_steps + 1 '
            f'= {self.n_points}',
        )
        for name, size in self.image_sizes.items():
            _require(
                min(size) - 2 * self.crop_margin >= 16,
                f'image_sizes of {name!r} {size}: less than 16 px left after crop_margin '
                f'{self.crop_margin}',
            )

    def _check_net(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            _require(value in allowed, f'{name} = {value!r}: needs one of {allowed}')
        for name, low in _LOWEST.items():
            _require(
                getattr(self, name) >= low, f'{name} = {getattr(self, name)}: needs at least {low}'
            )
        for name, groups in (('down_dims', self.n_groups), ('encoder_channels', ENCODER_GROUPS)):
            dims = getattr(self, name)
            _require(
                bool(dims) and all(dim > 0 and dim % groups == 0 for dim in dims),
                f'{name} = {dims}: needs multiples of {groups}, for the group norm',
            )
        shrink = 2 ** (len(self.down_dims) - 1)
        _require(
            self.horizon % shrink == 0,
            f'horizon = {self.horizon}: needs a multiple of {shrink}, for '
            f'{len(self.down_dims)} levels of down_dims',
        )
        _require(self.kernel_size % 2 == 1, f'kernel_size = {self.kernel_size}: needs an odd one')
        _require(
            self.timestep_dim % 2 == 0, f'timestep_dim = {self.timestep_dim}: needs an even one'
        )


_CHOICES: Final = {
    'method': METHODS,
    'prediction_type': PREDICTION_TYPES,
    'beta_schedule': BETA_SCHEDULES,
}
_LOWEST: Final = {
    'crop_margin': 0,
    'n_keypoints': 1,
    'n_groups': 1,
    'kernel_size': 1,
    'timestep_dim': 2,
    'num_train_timesteps': 1,
}


@dataclass(frozen=True)
class TrainConfig:
    """How a policy is trained.

    :param batch_size: windows of a step, on each of the devices.
    :param ema_power: exponent of the warm-up of the moving average of the weights.
    :param validation_share: share of the episodes kept out of training.
    :param checkpoint_every: steps between two saved states, to resume from.
    """

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 3e-4
    weight_decay: float = 1e-6
    warmup_steps: int = 300
    gradient_clip: float = 1.0
    ema_power: float = 0.75
    ema_max: float = 0.999
    seed: int = 0
    validation_share: float = 0.05
    validation_every: int = 500
    checkpoint_every: int = 500
    num_inference_steps: int = 10

    def __post_init__(self) -> None:
        for name in ('steps', 'batch_size', 'validation_every', 'checkpoint_every'):
            _require(getattr(self, name) >= 1, f'{name} = {getattr(self, name)}: needs at least 1')
        _require(self.learning_rate > 0, f'learning_rate = {self.learning_rate}: needs > 0')
        _require(
            0 < self.validation_share < 1,
            f'validation_share = {self.validation_share}: needs a share between 0 and 1',
        )


@dataclass(frozen=True)
class RunConfig:
    """A training configuration file: the policy and how it is trained."""

    policy: PolicyConfig
    train: TrainConfig = field(default_factory=TrainConfig)


def parse_run(values: Mapping[str, Any]) -> RunConfig:
    """Make the configuration of a training run from a file's values.

    :raises ConfigError: for a section or a key that does not exist, or a value refused.
    """
    _require(set(values) <= {'policy', 'train'}, f'sections {sorted(values)}: policy and train')
    return RunConfig(
        policy=_build(PolicyConfig, values.get('policy') or {}),
        train=_build(TrainConfig, values.get('train') or {}),
    )


def policy_from_dict(values: Mapping[str, Any]) -> PolicyConfig:
    """Make the configuration that ``to_dict`` wrote.

    :raises ConfigError: for a key that does not exist or a value refused.
    """
    return _build(PolicyConfig, values)


def to_dict(config: PolicyConfig | TrainConfig) -> dict[str, Any]:
    """Return what JSON and YAML can hold."""
    return asdict(config)


def _build(kind: type[Any], values: Mapping[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(values) - known)
    _require(not unknown, f'{", ".join(unknown)}: no such key; there are {sorted(known)}')
    try:
        return kind(**values)
    except (TypeError, AttributeError) as error:
        raise ConfigError(f'{kind.__name__}: {error}') from error
