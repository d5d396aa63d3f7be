# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of dp_ros 0.1, whose description (format 1) holds no task file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from dp_ros.outside import OutsideError, read_json
from dp_ros.policy.checkpoint import WEIGHTS, digest_of, store
from dp_ros.policy.config import PolicyConfig, to_dict
from dp_ros.policy.importing.source import SourceError
from dp_ros.task.task import Task, task_to_dict
from dp_ros.task.task_file import DESCRIPTION
from dp_ros.values import make_value

_TASK: Final = ('dt', 'n_obs_steps', 'horizon', 'n_action_steps')
_FINGERS: Final = 'finger'
_SHAPING: Final = ('joint_names', 'observed_names', 'image_sizes', *_TASK[:3])
"""Values of a task that a trained policy cannot change."""


def is_format_1(source: Path) -> bool:
    """Tell whether a folder holds a checkpoint of format 1."""
    try:
        description = read_json(source / DESCRIPTION)
    except (OSError, OutsideError):
        return False
    return isinstance(description, dict) and description.get('format') == 1


def renew(source: Path, out: Path, named: Task | None = None) -> None:
    """Write the policy in the present format: the same weights, and a task.

    :param named: the task that it was trained for, with its name, topics and latencies; without
        it these are the defaults.
    :raises SourceError: for a checkpoint that was altered, or cannot be represented, or a task
        that it was not trained for.
    """
    file, description = source / DESCRIPTION, read_json(source / DESCRIPTION)
    if description.get('sha256') != digest_of(description):
        raise SourceError(f'{file}: was altered after training; copy it again')
    weights = (source / WEIGHTS).read_bytes()
    try:
        if hashlib.sha256(weights).hexdigest() != description['weights']['sha256']:
            raise SourceError(f'{source / WEIGHTS}: is truncated or was altered; copy it again')
        config = _config(dict(description['policy']))
        kept = {key: description[key] for key in ('normalizer', 'weights', 'training', 'versions')}
    except SourceError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f'{file}: cannot be represented: {error}') from error
    task = config.task
    if named is not None:
        for key in _SHAPING:
            held, wanted = getattr(task, key), getattr(named, key)
            if held != wanted:
                raise SourceError(f'the task file has {key} {wanted}, the policy {held}')
        task = named
    made = {'format': 2, 'task': task_to_dict(task), 'policy': to_dict(config)}
    store(out, made | kept, weights)


def _config(values: dict[str, Any]) -> PolicyConfig:
    joints, states = values.pop('joint_names'), values.pop('state_names', [])
    commands = ['commanded_positions'] if values.pop('past_actions', False) else []
    sizes = values.pop('image_sizes')
    task = {key: values.pop(key) for key in _TASK} | {
        'joints': [name for name in joints if _FINGERS not in name],
        'gripper_joints': [name for name in joints if _FINGERS in name],
        'state_names': [] if states == joints else states,
        'observations': ['joint_positions', *commands],
        'cameras': {name: {'size': size} for name, size in sizes.items()},
    }
    config: PolicyConfig = make_value(PolicyConfig, values | {'task': task}, 'policy')
    return config
