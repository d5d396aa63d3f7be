# SPDX-License-Identifier: Apache-2.0
"""The configuration of a policy, a frozen value that checks itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dp_ros.policy.component import Component, make_component
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
from dp_ros.task.task import Task, task_from_dict
from dp_ros.values import as_names, make_value, require, shown

_PARTS: Final[Mapping[str, Mapping[str, type[Component]]]] = {
    'method': METHODS,
    'denoiser': DENOISERS,
    'encoder': ENCODERS,
}


@dataclass(frozen=True)
class PolicyConfig:
    """Everything that is needed to build a policy and to feed it.

    :param task: the task, as a value or as the keys of its file.
    :param state_modes: normalisation of the states (``min_max``, ``quantiles``, ``quantiles10``,
        ``mean_std`` or ``none``), one for all or one for each.
    :param action_modes: normalisation of the actions, likewise.
    :param max_delay: largest number of committed actions that the policy is trained to go on
        from, drawn at random for every chunk (`prefix`); 0: none.
    :param method: method of learning, as a part, by its settings or by its name.
    :param denoiser: network that maps noise to chunks, likewise.
    :param encoder: network for images, likewise.
    """

    task: Task
    state_modes: tuple[str, ...] = ('min_max',)
    action_modes: tuple[str, ...] = ('min_max',)
    max_delay: int = 0
    method: Method = field(default_factory=Diffusion)
    denoiser: Denoiser = field(default_factory=Unet)
    encoder: Encoder = field(default_factory=Cnn)

    def __post_init__(self) -> None:
        if not isinstance(self.task, Task):
            object.__setattr__(self, 'task', task_from_dict(self.task))
        for key in ('state_modes', 'action_modes'):
            object.__setattr__(self, key, as_names(getattr(self, key)))
        for role, kinds in _PARTS.items():
            value = getattr(self, role)
            if not isinstance(value, Component):
                object.__setattr__(self, role, make_component(role, kinds, value))
        self._check_modes()
        self._check_delay()
        for role in _PARTS:
            getattr(self, role).check(self)

    @property
    def n_noise(self) -> int:
        """Number of channels of the noise that chunks are made from."""
        return self.method.n_in(len(self.joint_names))

    # ---- of the task, as networks need it

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the actions' values, in order."""
        return self.task.joint_names

    @property
    def observed_names(self) -> tuple[str, ...]:
        """Names of the values of a frame's state, in order."""
        return self.task.observed_names

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras, in order."""
        return self.task.camera_names

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """Image size (height, width) [px] of each camera."""
        return self.task.image_sizes

    @property
    def dt(self) -> float:
        """Time between frames and between actions [s]."""
        return self.task.dt

    @property
    def n_obs_steps(self) -> int:
        """To, number of frames of an observation."""
        return self.task.n_obs_steps

    @property
    def horizon(self) -> int:
        """Tp, number of denoised actions; the first To - 1 belong to the past."""
        return self.task.horizon

    @property
    def n_action_steps(self) -> int:
        """Ta, number of actions to follow before a new chunk is due."""
        return self.task.n_action_steps

    @property
    def n_points(self) -> int:
        """Number of actions of a chunk that do not belong to the past."""
        return self.task.n_points

    def _check_modes(self) -> None:
        counts = {'state_modes': len(self.observed_names), 'action_modes': len(self.joint_names)}
        for key, count in counts.items():
            given = getattr(self, key)
            for mode in given:
                require(mode in MODES, f'{key} = {mode!r}: needs one of {tuple(MODES)}')
            require(len(given) in (1, count), f'{key} = {given}: needs 1 or {count} modes')

    def _check_delay(self) -> None:
        given, most = self.max_delay, self.n_points - 1
        require(
            0 <= given <= most,
            f'max_delay = {given}: needs 0 to {most}, for one action of the chunk has to be left '
            'to the policy',
        )
        require(
            given == 0 or 'trained' in self.method.conditionings,
            f'max_delay = {given}: the method {self.method.name} cannot be trained with committed '
            'actions; needs max_delay = 0',
        )


def policy_from_dict(values: Mapping[str, Any], task: Task) -> PolicyConfig:
    """Make the configuration from the section `policy` of a file, for a task.

    :raises ConfigError: for a key that does not exist, or a value that is not allowed.
    """
    require(isinstance(values, Mapping), f'policy = {shown(values)}: needs keys and values')
    require('task' not in values, 'policy: task: no such key; it is a section of its own')
    config: PolicyConfig = make_value(PolicyConfig, {**values, 'task': task}, 'policy')
    return config


def to_dict(config: PolicyConfig) -> dict[str, Any]:
    """Return the section `policy` as plain values for JSON and YAML, without the task."""
    parts = {role: getattr(config, role).to_dict() for role in _PARTS}
    modes = {key: list(getattr(config, key)) for key in ('state_modes', 'action_modes')}
    return modes | {'max_delay': config.max_delay} | parts
