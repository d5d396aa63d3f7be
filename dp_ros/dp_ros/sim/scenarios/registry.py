# SPDX-License-Identifier: Apache-2.0
"""The scenarios by the names of their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dp_ros.sim.scenario import AnyScenario
from dp_ros.sim.scenarios.dash.scenario import DASH
from dp_ros.sim.scenarios.pick_place.scenario import PICK_PLACE
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.task.task import Task
from dp_ros.values import require

SCENARIOS: Final[Mapping[str, AnyScenario]] = {
    each.name: each for each in (REACH, DASH, PICK_PLACE)
}


def scenario_of(task: Task) -> AnyScenario:
    """Return the simulated side of a task.

    :raises ConfigError: for a task that the simulation does not have.
    """
    require(
        task.name in SCENARIOS, f'task {task.name!r}: the simulation has {", ".join(SCENARIOS)}'
    )
    return SCENARIOS[task.name]
