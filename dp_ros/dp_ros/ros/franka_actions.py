# SPDX-License-Identifier: Apache-2.0
"""The actions of franka_msgs, which only a machine with franka_ros2 has."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


def franka_actions() -> ModuleType:
    """Return `franka_msgs.action`.

    :raises ValueError: where it is not installed, with what to do.
    """
    try:
        return import_module('franka_msgs.action')
    except ModuleNotFoundError as error:
        raise ValueError(
            'franka_msgs is not installed: source the workspace of franka_ros2, or set the '
            "gripper's kind to 'position'"
        ) from error
