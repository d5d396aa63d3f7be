# SPDX-License-Identifier: Apache-2.0
"""The trained policies on this machine that can take the place of the running one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dp_ros.task.task import Task
from dp_ros.task.task_file import policies_in, read_task
from dp_ros.values import ConfigError

MODELS: Final = Path('models')


def policies_beside(checkpoint: str, task: Task, models: Path = MODELS) -> dict[str, str]:
    """Return the folders of the policies of a task by their names; the running one is first.

    They lie in the folder of the running one, or in ``models``. A name that two of them have is
    that of the first; one that cannot be read is left out.

    :param checkpoint: folder of the running policy, perhaps on another machine.
    """
    running = Path(checkpoint).expanduser()
    found = {running.name: str(running.absolute() if running.is_dir() else checkpoint)}
    for folder in (*policies_in(running.parent), *policies_in(models)):
        if folder.name not in found and _is_of(folder, task):
            found[folder.name] = str(folder.absolute())
    return found


def _is_of(folder: Path, task: Task) -> bool:
    try:
        other = read_task(folder)
    except ConfigError:
        return False
    return (other.name, other.joints) == (task.name, task.joints)
