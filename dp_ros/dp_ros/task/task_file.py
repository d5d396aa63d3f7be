# SPDX-License-Identifier: Apache-2.0
"""Task files: YAML, in a file of their own, in a bag, in a checkpoint or in a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from dp_ros.outside import OutsideError, parse_yaml, read_json, read_yaml
from dp_ros.task.task import Task, task_from_dict, task_to_dict
from dp_ros.values import ConfigError, require, shown
import yaml

DESCRIPTION: Final = 'policy.json'
"""File of a policy's folder that describes it."""


def task_path(named: str, shipped: Path) -> Path:
    """Return the path of a task file, given as a path or as the name of a shipped one.

    :param shipped: folder of the shipped task files.
    """
    path = Path(named).expanduser()
    return path if path.suffix or len(path.parts) > 1 else shipped / f'{named}.yaml'


def read_task(path: Path) -> Task:
    """Read a task file, or the task of a checkpoint's folder.

    :raises ConfigError: when it cannot be read, or holds a value that is not allowed.
    """
    file, read = (path / DESCRIPTION, read_json) if path.is_dir() else (path, read_yaml)
    try:
        values = read(file)
    except OSError as error:
        raise ConfigError(f'{file}: cannot be read ({error.strerror})') from error
    except OutsideError as error:
        raise ConfigError(str(error)) from error
    if path.is_dir():
        held = isinstance(values, dict) and 'task' in values
        require(held, f'{file}: holds no task; `ros2 run dp_ros import_checkpoint` converts it')
        values = values['task']
    return _made(values, str(file))


def task_of_policy(folder: Path) -> Task:
    """Read the task of a policy.

    :param folder: the policy's folder, a checkpoint.
    :raises ConfigError: when no policy is there; names those that lie beside it.
    """
    if not (folder / DESCRIPTION).is_file():
        beside = ', '.join(each.name for each in policies_in(folder.parent))
        there = f'; {folder.parent} has {beside}' if beside else ''
        raise ConfigError(f'{folder}: no {DESCRIPTION} in that folder{there}')
    return read_task(folder)


def policies_in(folder: Path) -> list[Path]:
    """Return the folders of the policies that lie in a folder, by name."""
    return sorted(file.parent for file in folder.glob(f'*/{DESCRIPTION}'))


def parse_task(text: str, what: str) -> Task:
    """Read a task from the text of a task file.

    :param what: name of the text in errors.
    :raises ConfigError: when it cannot be read, or holds a value that is not allowed.
    """
    try:
        return _made(parse_yaml(text, what), what)
    except OutsideError as error:
        raise ConfigError(str(error)) from error


def task_text(task: Task) -> str:
    """Return the task as YAML with all its keys."""
    text: str = yaml.safe_dump(task_to_dict(task), sort_keys=False, default_flow_style=None)
    return text


def _made(values: Any, what: str) -> Task:
    require(isinstance(values, dict), f'{what}: {shown(values)}: needs the keys of a task')
    return task_from_dict(values, what)
