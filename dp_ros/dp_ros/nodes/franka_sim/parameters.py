# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `franka_sim`."""

from __future__ import annotations

from dp_ros.ros.common_parameters import BASE_FRAME, CONTROLLER_NAME
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.sim.scenarios.registry import SCENARIOS

PARAMETERS = ParameterTable(
    'franka_sim',
    Parameter('task', 'reach', 'What is to be done.', choices=tuple(SCENARIOS), read_only=True),
    Parameter('seed', 0, 'Seed of the first scene.', low=0, read_only=True),
    Parameter(
        'real_time_factor',
        1.0,
        'Simulated per real time, at most; 0: as fast as possible.',
        low=0.0,
        high=100.0,
        read_only=True,
    ),
    CONTROLLER_NAME,
    Parameter('camera_names', ['front'], "Cameras: 'front', 'wrist'.", read_only=True),
    Parameter('camera_height', 96, 'Image height [px].', low=16, high=1080, read_only=True),
    Parameter('camera_width', 96, 'Image width [px].', low=16, high=1920, read_only=True),
    Parameter('camera_rate', 10.0, 'Images per second [Hz].', low=1.0, high=100.0, read_only=True),
    Parameter(
        'joint_state_rate',
        100.0,
        'Joint states per second [Hz].',
        low=10.0,
        high=100.0,
        read_only=True,
    ),
    BASE_FRAME,
)
