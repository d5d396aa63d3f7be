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
        'Take the finger positions from joint_states, as in simulation; if false, the fingers are '
        'where they were commanded to be, as on fake hardware.',
        read_only=True,
    ),
    Parameter(
        'latency',
        0.2,
        'Time from a goal to the first motion of the fingers [s].',
        low=0.0,
        high=5.0,
    ),
    Parameter(
        'object_width',
        0.0,
        'Width of an object between the fingers, if follow_joint_states is false [m]; 0: no '
        'object.',
        low=0.0,
        high=0.08,
    ),
    Parameter(
        'joint_state_rate',
        50.0,
        'Rate of the published joint states [Hz].',
        low=1.0,
        high=100.0,
        read_only=True,
    ),
)
