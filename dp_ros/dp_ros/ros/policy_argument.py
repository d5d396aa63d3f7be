# SPDX-License-Identifier: Apache-2.0
"""The argument `policy` of launch files: a folder that holds a policy, or nothing is started.

This module does not import rclpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from dp_ros.task.task_file import task_of_policy

REMOTE: Final = 'remote'
"""Value for a policy that runs on another machine."""


def check_policy(context: Any) -> None:
    """Refuse a launch whose argument `policy` names no policy; goes first (OpaqueFunction).

    :raises ConfigError: when there is no policy of this format; says which lie beside it.
    """
    named = context.launch_configurations.get('policy', '')
    if named not in ('', REMOTE):
        task_of_policy(Path(named).expanduser())
