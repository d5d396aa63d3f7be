# SPDX-License-Identifier: Apache-2.0
"""A task: what recording, training and running have to agree on, as one frozen value.

It is written once, in a task file, and travels: into every bag, every checkpoint, and from the
policy node to the nodes beside it. Networks, training and a site's safety are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from dp_ros.values import ConfigError, as_names, brief, make_value, require, shown

OBSERVATIONS: Final = ('joint_positions', 'commanded_positions')
ACTIONS: Final = ('joint_positions',)

# What a chunk and an image have at most: a description of a few bytes must not ask for gigabytes.
_MOST_STEPS: Final = 4096
_MOST_PIXELS: Final = 4096
_MOST_FRAMES: Final = 100
_MIN_DT: Final = 1e-3
_MAX_DT: Final = 60.0
_MOST_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Camera:
    """A camera of the observation.

    :param size: (height, width) of the policy's images [px].
    :param topic: topic of its raw images; empty: ``camera/<name>/image_raw``.
    :param crop: (top, left, height, width) of what is cut out of an image before it is resized
        [px]; empty: all of it.
    :param tolerance: largest distance of an image from the time of its frame [s]; 0: 0.4 dt.
    :param latency: age of an image when it is stamped [s]; it is subtracted from the stamp.
    """

    size: tuple[int, ...]
    topic: str = ''
    crop: tuple[int, ...] = ()
    tolerance: float = 0.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        for key, count in (('size', (2,)), ('crop', (0, 4))):
            value = tuple(getattr(self, key))
            lowest = (1, 1) if key == 'size' else (0, 0, 1, 1)
            fits = len(value) in count and all(
                type(side) is int and low <= side <= _MOST_PIXELS
                for side, low in zip(value, lowest, strict=False)
            )
            needed = 'height and width' if key == 'size' else 'top, left, height and width'
            require(fits, f'{key} = {shown(value)}: needs {needed}, up to {_MOST_PIXELS} px')
            object.__setattr__(self, key, value)
        for key in ('tolerance', 'latency'):
            _require_range(key, getattr(self, key), 0.0, _MOST_SECONDS)


@dataclass(frozen=True)
class Topics:
    """Where the streams of a task are, beside its cameras; nodes can remap them.

    :param joint_states: of the arm, and of the fingers where the policy moves them.
    :param commands: trajectories that the arm's controller is sent.
    :param gripper: trajectories that the gripper is asked for.
    """

    joint_states: str = 'joint_states'
    commands: str = 'fr3_arm_controller/joint_trajectory'
    gripper: str = 'gripper/target'


@dataclass(frozen=True)
class Task:
    """What is observed, what is commanded, and in which steps.

    :param name: the task's, by which the simulation knows it.
    :param joints: the arm's joints, in the order of the actions.
    :param gripper_joints: fingers that the policy moves too, behind ``joints``.
    :param state_names: values of the observed state where these are not the joints.
    :param observations: what a frame's state holds: ``joint_positions``, and behind them
        ``commanded_positions`` or nothing.
    :param action: what an action is: ``joint_positions``, commanded at its time.
    :param cameras: each camera by its name, in the order of the observation.
    :param dt: spacing of frames and of actions [s].
    :param n_obs_steps: To, frames of an observation.
    :param horizon: Tp, actions that are denoised; the first To - 1 belong to the past.
    :param n_action_steps: Ta, actions to follow before a new chunk is due.
    :param camera_slop: largest distance of the images of a synchronized set [s].
    :param joint_latency: age of joint states when they are stamped [s].
    :param max_joint_gap: longest time between two joint states to interpolate over [s].
    """

    joints: tuple[str, ...]
    name: str = ''
    gripper_joints: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ()
    observations: tuple[str, ...] = ('joint_positions',)
    action: str = 'joint_positions'
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    dt: float = 0.1
    n_obs_steps: int = 2
    horizon: int = 16
    n_action_steps: int = 8
    camera_slop: float = 0.02
    joint_latency: float = 0.0
    max_joint_gap: float = 0.1
    topics: Topics = field(default_factory=Topics)

    def __post_init__(self) -> None:
        for key in ('joints', 'gripper_joints', 'state_names', 'observations'):
            object.__setattr__(self, key, as_names(getattr(self, key)))
        require(
            isinstance(self.cameras, Mapping),
            f'cameras = {shown(self.cameras)}: needs the settings of each camera by its name',
        )
        cameras = {name: _camera(name, given) for name, given in self.cameras.items()}
        object.__setattr__(self, 'cameras', MappingProxyType(cameras))
        if not isinstance(self.topics, Topics):
            object.__setattr__(self, 'topics', make_value(Topics, self.topics, 'topics'))
        self._check_names()
        self._check_steps()
        self._check_times()

    # ---- what follows from it

    @property
    def joint_names(self) -> tuple[str, ...]:
        """What is commanded, in order: the arm's joints, then the gripper's."""
        return self.joints + self.gripper_joints

    @property
    def observed_names(self) -> tuple[str, ...]:
        """The values of a frame's state, in order."""
        measured = self.state_names or self.joint_names
        commanded = tuple(f'{name} commanded' for name in self.joint_names)
        return (*measured, *(commanded if self.observes_commands else ()))

    @property
    def observes_commands(self) -> bool:
        """Whether a frame's state holds what the joints were commanded, too."""
        return 'commanded_positions' in self.observations

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras, in order."""
        return tuple(self.cameras)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) [px] of each camera."""
        return {name: (camera.size[0], camera.size[1]) for name, camera in self.cameras.items()}

    @property
    def camera_topics(self) -> dict[str, str]:
        """Topic of each camera."""
        return {name: camera.topic for name, camera in self.cameras.items()}

    @property
    def n_points(self) -> int:
        """Actions of a chunk that do not belong to the past of the observation."""
        return self.horizon - self.n_obs_steps + 1

    # ---- checks

    def _check_names(self) -> None:
        require(len(self.joints) > 0, 'joints is empty: name the joints that the policy moves')
        for key in ('joint_names', 'state_names', 'observations'):
            names: Sequence[str] = getattr(self, key)
            told = 'joints and gripper_joints' if key == 'joint_names' else key
            require(len(set(names)) == len(names), f'{told} {names}: a name is used twice')
        unknown = [name for name in self.observations if name not in OBSERVATIONS]
        require(not unknown, f'observations: {unknown}: needs some of {OBSERVATIONS}')
        require(
            self.observations in (OBSERVATIONS[:1], OBSERVATIONS),
            f'observations = {self.observations}: needs joint_positions, and behind it '
            'commanded_positions or nothing',
        )
        require(self.action in ACTIONS, f'action = {self.action!r}: needs one of {ACTIONS}')
        require(
            not (self.state_names and self.observes_commands),
            f'state_names = {self.state_names}: with commanded_positions the state is that of '
            'the joints: leave state_names out',
        )

    def _check_steps(self) -> None:
        _require_range('horizon', self.horizon, 1, _MOST_STEPS)
        _require_range('n_obs_steps', self.n_obs_steps, 1, _MOST_FRAMES)
        require(
            1 <= self.n_action_steps <= self.n_points,
            f'n_action_steps = {self.n_action_steps}: needs 1 to horizon - n_obs_steps + 1 '
            f'= {self.n_points}',
        )

    def _check_times(self) -> None:
        _require_range('dt', self.dt, _MIN_DT, _MAX_DT, ' s')
        for key in ('camera_slop', 'joint_latency', 'max_joint_gap'):
            _require_range(key, getattr(self, key), 0.0, _MOST_SECONDS, ' s')
        for name, camera in self.cameras.items():
            require(
                camera.tolerance < self.dt / 2,
                f'cameras.{name}.tolerance = {camera.tolerance:g}: needs less than dt / 2 = '
                f'{self.dt / 2:g} s, or an image would serve two frames',
            )


def task_from_dict(values: Mapping[str, Any], what: str = 'task') -> Task:
    """Make the task that ``task_to_dict`` or a file's author wrote.

    :param what: how errors name it.
    :raises ConfigError: for a key that does not exist, or a value refused.
    """
    task: Task = _make(Task, values, what)
    return task


def task_to_dict(task: Task) -> dict[str, Any]:
    """Return all of it, as JSON and YAML can hold it; the order is that of a task file."""
    keys = ('name', 'joints', 'gripper_joints', 'state_names', 'observations', 'action')
    values = {key: _plain(getattr(task, key)) for key in keys}
    values['cameras'] = {
        name: {key: _plain(value) for key, value in vars(camera).items()}
        for name, camera in task.cameras.items()
    }
    rest = [entry for entry in Task.__dataclass_fields__ if entry not in (*keys, 'cameras')]
    values |= {key: getattr(task, key) for key in rest}
    return values | {'topics': dict(vars(task.topics))}


def first_difference(mine: Task, other: Task) -> str | None:
    """Name the first value in which two tasks differ, with both, or return None."""
    found = _difference(task_to_dict(mine), task_to_dict(other), '')
    if found is None and mine.camera_names != other.camera_names:
        return f'order of cameras: {shown(mine.camera_names)} and {shown(other.camera_names)}'
    return found


def _difference(mine: Mapping[str, Any], other: Mapping[str, Any], path: str) -> str | None:
    for key in [*mine, *(key for key in other if key not in mine)]:
        here, there = mine.get(key), other.get(key)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            inner = _difference(here, there, f'{path}{key}.')
            if inner is not None:
                return inner
        elif here != there:
            return f'{path}{key}: {shown(here)} and {shown(there)}'
    return None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _camera(name: Any, given: Any) -> Camera:
    require(
        isinstance(name, str) and bool(name) and '.' not in name and '/' not in name,
        f'cameras: {name!r}: needs a name without dots and slashes',
    )
    camera: Camera = given
    if not isinstance(given, Camera):
        camera = _make(Camera, given, f'cameras.{name}')
    return replace(camera, topic=camera.topic or f'camera/{name}/image_raw')


def _make(kind: type[Any], values: Any, what: str) -> Any:
    """Make a value; whatever is refused is told with what it is of."""
    try:
        return make_value(kind, values, what)
    except ConfigError as error:
        told = str(error)
        raise ConfigError(told if told.startswith(what) else brief(f'{what}: {told}')) from error


def _require_range(key: str, value: float, low: float, high: float, unit: str = '') -> None:
    require(low <= value <= high, f'{key} = {value}: needs {low:g} to {high:g}{unit}')
