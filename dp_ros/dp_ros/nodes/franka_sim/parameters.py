# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `franka_sim`."""

from __future__ import annotations

from typing import Any

from dp_ros.ros.common_parameters import BASE_FRAME, CONTROLLER_NAME
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.sim.scenarios.registry import SCENARIOS, scenario_of
from dp_ros.task.task import Task
from dp_ros.values import require

PARAMETERS = ParameterTable(
    'franka_sim',
    Parameter(
        'task', 'reach', 'Name of the simulated task.', choices=tuple(SCENARIOS), read_only=True
    ),
    Parameter(
        'seed',
        0,
        'Seed of the first scene; a reset gives the seed of the next one.',
        low=0,
        read_only=True,
    ),
    Parameter(
        'real_time_factor',
        1.0,
        'Largest ratio of simulated time to real time; 0: as fast as possible.',
        low=0.0,
        high=100.0,
        read_only=True,
    ),
    CONTROLLER_NAME,
    Parameter(
        'camera_names',
        ['front'],
        "Names of the cameras to simulate: 'front', 'wrist'.",
        read_only=True,
    ),
    Parameter('camera_height', 96, 'Image height [px].', low=16, high=1080, read_only=True),
    Parameter('camera_width', 96, 'Image width [px].', low=16, high=1920, read_only=True),
    Parameter('camera_rate', 10.0, 'Image rate [Hz].', low=1.0, high=100.0, read_only=True),
    Parameter(
        'joint_state_rate',
        100.0,
        'Rate of the published joint states [Hz].',
        low=10.0,
        high=100.0,
        read_only=True,
    ),
    BASE_FRAME,
)

_SIDE = 96  # What an image has at least [px].


def parameters_for(task: Task) -> dict[str, Any]:
    """Return the parameters with which the simulation shows what a task file observes.

    :raises ConfigError: for a task, or a camera, that the simulation does not have.
    """
    there = scenario_of(task).cameras
    unknown = [name for name in task.cameras if name not in there]
    require(not unknown, f'cameras {unknown}: the simulation has {", ".join(there)}')
    sizes = [camera.size for camera in task.cameras.values()]
    sizes += [
        (camera.crop[0] + camera.crop[2], camera.crop[1] + camera.crop[3])
        for camera in task.cameras.values()
        if camera.crop
    ]
    height, width = (max(_SIDE, *(size[k] for size in sizes)) for k in (0, 1))
    return {
        'task': task.name,
        'camera_names': list(task.cameras),
        'camera_height': height,
        'camera_width': width,
        'camera_rate': 1 / task.dt,
    }
