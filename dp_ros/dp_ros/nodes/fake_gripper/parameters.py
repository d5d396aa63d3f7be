# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `fake_gripper`."""

from __future__ import annotations

from dp_ros.ros.common_parameters import FINGER_JOINT_NAMES
from dp_ros.ros.parameters import Parameter, ParameterTable

PARAMETERS = ParameterTable(
    'fake_gripper',
    FINGER_JOINT_NAMES,
    Parameter(
        'follow_joint_states',
        False,
        'Where the fingers are comes from joint_states, as in simulation; with false they are '
        'where they are commanded to, as on fake hardware.',
        read_only=True,
    ),
    Parameter(
        'latency', 0.2, 'From a goal to the first motion of the fingers [s].', low=0.0, high=5.0
    ),
    Parameter(
        'object_width',
        0.0,
        'Width of what lies between the fingers while joint_states are not followed [m]; '
        '0: nothing.',
        low=0.0,
        high=0.08,
    ),
    Parameter(
        'joint_state_rate',
        50.0,
        'Joint states per second [Hz].',
        low=1.0,
        high=100.0,
        read_only=True,
    ),
)
