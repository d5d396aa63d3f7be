# SPDX-License-Identifier: Apache-2.0
"""Training configurations: the file's sections `task`, `policy` and `train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dp_ros.data.windows.window import ActionSpec
from dp_ros.outside import OutsideError, parse_yaml, read_yaml
from dp_ros.task.task import Task, task_from_dict, task_to_dict
from dp_ros.task.task_file import read_task
from dp_ros.training.config import RunConfig, parse_run
from dp_ros.values import ConfigError, brief, require, shown


def read_config(
    file: Path, changes: Sequence[str] = (), recorded: Task | None = None
) -> RunConfig:
    """Read a training configuration, with values changed as `SECTION.KEY=VALUE`.

    :param recorded: task of the recordings, for a file without a task.
    :raises ConfigError: when it cannot be read or contradicts itself.
    """
    try:
        values = read_yaml(file)
    except OSError as error:
        raise ConfigError(f'{file}: cannot be read ({error.strerror})') from error
    except OutsideError as error:
        raise ConfigError(str(error)) from error
    require(isinstance(values, dict), f'{file}: needs the sections task, policy and train')
    if isinstance(values.get('task'), str):
        values['task'] = task_to_dict(read_task(file.parent / values['task']))
    if values.get('task') is None and recorded is not None:
        values['task'] = task_to_dict(recorded)
    return parse_config(values, changes)


def parse_config(values: dict[str, Any], changes: Sequence[str] = ()) -> RunConfig:
    """Make a training configuration from the sections of a file, as `read_config` does."""
    for change in changes:
        _change(values, change)
        if isinstance(values.get('task'), str):
            values['task'] = task_to_dict(read_task(Path(values['task'])))
    task = values.pop('task', None)
    require(
        task is not None,
        'no task: name a task file (`task: tasks/reach.yaml`); the recordings hold none either',
    )
    require(isinstance(task, Mapping), f'task = {shown(task)}: needs a file, or the keys of one')
    return parse_run(values, task_from_dict(task))


def action_spec(run: RunConfig) -> ActionSpec:
    """Return the specification of the actions in the windows of a run."""
    policy = run.policy
    return ActionSpec(policy.n_obs_steps, policy.horizon, run.pad_after, run.train.trim_idle)


def _change(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition('=')
    *sections, key = path.split('.')
    if not equals or not (sections or key == 'task'):
        raise ConfigError(f'--set {change}: needs SECTION.KEY=VALUE')
    for section in sections:
        inner = values.get(section) or {}
        named = {'name': inner} if isinstance(inner, str) else inner
        if not isinstance(named, Mapping):
            raise ConfigError(f'--set {change}: {section} = {shown(inner)} holds no keys')
        values[section] = values = dict(named)
    try:
        values[key] = parse_yaml(text, f'--set {brief(change)}')
    except OutsideError as error:
        raise ConfigError(str(error)) from error
