# SPDX-License-Identifier: Apache-2.0
"""A task: everything that recording, training and running have to agree on, in one value.

It is written once, in a task file, and stored in every bag and every checkpoint; the policy node
sends it to the other nodes. It does not hold networks, training settings or safety limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

from dp_ros.values import ConfigError, as_names, brief, make_value, require, shown

OBSERVATIONS: Final = ('joint_positions', 'commanded_positions')
ACTIONS: Final = ('joint_positions',)

# Upper limits of sizes: a task file of a few bytes must not make a reader allocate gigabytes.
_MOST_STEPS: Final = 4096
_MOST_PIXELS: Final = 4096
_MOST_FRAMES: Final = 100
_MIN_DT: Final = 1e-3
_MAX_DT: Final = 60.0
_MOST_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Camera:
    """A camera of the observation.

    :param size: (height, width) of the images of the policy [px].
    :param topic: topic of its raw images; empty: ``camera/<name>/image_raw``.
    :param crop: (top, left, height, width) of the part of an image that is kept before resizing
        [px]; empty: the whole image.
    :param tolerance: largest time from an image to its frame [s]; 0: 0.4 dt.
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
    """Topics of the streams of a task other than cameras; nodes can remap them.

    :param joint_states: topic of the joint states of the arm, and of the fingers that are moved.
    :param commands: topic of the trajectories that are sent to the arm's controller.
    :param gripper: topic of the target trajectories of the gripper.
    """

    joint_states: str = 'joint_states'
    commands: str = 'fr3_arm_controller/joint_trajectory'
    gripper: str = 'gripper/target'


@dataclass(frozen=True)
class Task:
    """Observations, actions and time steps of a task.

    :param name: name of the task, by which the simulation chooses its scenes.
    :param joints: names of the arm's joints, in the order of the actions.
    :param gripper_joints: names of the fingers that the policy moves too, behind ``joints``.
    :param state_names: names of the observed values where these are not the joints.
    :param observations: contents of a frame's state: ``joint_positions``, and behind them
        ``commanded_positions`` or nothing.
    :param action: contents of an action: ``joint_positions``, commanded at its time.
    :param cameras: cameras by name, in the order of the observation.
    :param dt: time between frames and between actions [s].
    :param n_obs_steps: To, number of frames of an observation.
    :param horizon: Tp, number of denoised actions; the first To - 1 belong to the past.
    :param n_action_steps: Ta, number of actions to follow before a new chunk is due.
    :param camera_slop: largest difference of the stamps of a synchronized set of images [s].
    :param joint_latency: age of joint states when they are stamped [s], subtracted from the stamp.
    :param max_joint_gap: longest time between two joint states to interpolate over [s].
    :param start_positions: positions of ``joints`` where an episode begins [rad]; empty: not said.
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
    start_positions: tuple[float, ...] = ()
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
        object.__setattr__(self, 'start_positions', tuple(self.start_positions))
        self._check_names()
        self._check_start()
        self._check_steps()
        self._check_times()

    # ---- what follows from it

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the commanded joints, in order: those of the arm, then the fingers."""
        return self.joints + self.gripper_joints

    @property
    def observed_names(self) -> tuple[str, ...]:
        """Names of the values of a frame's state, in order."""
        measured = self.state_names or self.joint_names
        commanded = tuple(f'{name} commanded' for name in self.joint_names)
        return (*measured, *(commanded if self.observes_commands else ()))

    @property
    def observes_commands(self) -> bool:
        """Whether a frame's state also holds commanded positions."""
        return 'commanded_positions' in self.observations

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras, in order."""
        return tuple(self.cameras)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """Image size (height, width) [px] of each camera."""
        return {name: (camera.size[0], camera.size[1]) for name, camera in self.cameras.items()}

    @property
    def camera_topics(self) -> dict[str, str]:
        """Topic of each camera."""
        return {name: camera.topic for name, camera in self.cameras.items()}

    @property
    def n_points(self) -> int:
        """Number of actions of a chunk that do not belong to the past."""
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

    def _check_start(self) -> None:
        given = self.start_positions
        numbers = all(type(value) in (int, float) and isfinite(value) for value in given)
        require(
            numbers and len(given) in (0, len(self.joints)),
            f'start_positions = {shown(given)}: needs a position [rad] of each of the '
            f'{len(self.joints)} joints, or none',
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
    """Make a task from the keys of a task file.

    :param what: name of the task in errors.
    :raises ConfigError: for an unknown key, or a value that is not allowed.
    """
    task: Task = _make(Task, values, what)
    return task


def task_to_dict(task: Task) -> dict[str, Any]:
    """Return all values of a task for JSON or YAML, in the order of a task file."""
    keys = ('name', 'joints', 'gripper_joints', 'state_names', 'observations', 'action')
    values = {key: _plain(getattr(task, key)) for key in keys}
    values['cameras'] = {
        name: {key: _plain(value) for key, value in vars(camera).items()}
        for name, camera in task.cameras.items()
    }
    rest = [entry for entry in Task.__dataclass_fields__ if entry not in (*keys, 'cameras')]
    values |= {key: _plain(getattr(task, key)) for key in rest}
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
    """Make a value; errors begin with ``what``."""
    try:
        return make_value(kind, values, what)
    except ConfigError as error:
        told = str(error)
        raise ConfigError(told if told.startswith(what) else brief(f'{what}: {told}')) from error


def _require_range(key: str, value: float, low: float, high: float, unit: str = '') -> None:
    require(low <= value <= high, f'{key} = {value}: needs {low:g} to {high:g}{unit}')
