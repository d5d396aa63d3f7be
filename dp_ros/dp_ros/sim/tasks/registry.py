# SPDX-License-Identifier: Apache-2.0
"""The tasks by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dp_ros.sim.task import AnyTask
from dp_ros.sim.tasks.pick_place.task import PICK_PLACE
from dp_ros.sim.tasks.reach.task import REACH

TASKS: Final[Mapping[str, AnyTask]] = {task.name: task for task in (REACH, PICK_PLACE)}
