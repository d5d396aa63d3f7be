# SPDX-License-Identifier: Apache-2.0
"""What a policy is made of, as a frozen value that checks itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

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

__all__ = ['ConfigError', 'PolicyConfig']

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


def policy_from_dict(values: Mapping[str, Any]) -> PolicyConfig:
    """Make the configuration that ``to_dict`` wrote.

    :raises ConfigError: for a key that does not exist or a value refused.
    """
    config: PolicyConfig = make_value(PolicyConfig, values, 'policy')
    return config


def to_dict(config: PolicyConfig) -> dict[str, Any]:
    """Return what JSON and YAML can hold."""
    values = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    parts = {role: values[role].to_dict() for role in _PARTS}
    return values | {'image_sizes': dict(config.image_sizes)} | parts
