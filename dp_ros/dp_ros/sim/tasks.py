# SPDX-License-Identifier: Apache-2.0
"""The tasks by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dp_ros.sim.pick_place import PICK_PLACE
from dp_ros.sim.reach import REACH
from dp_ros.sim.task import AnyTask

TASKS: Final[Mapping[str, AnyTask]] = {task.name: task for task in (REACH, PICK_PLACE)}
