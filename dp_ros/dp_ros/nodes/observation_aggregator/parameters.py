# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `observation_aggregator`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.data.windows.live import LiveLimits
from dp_ros.robot.units import to_ns
from dp_ros.ros.common_parameters import BASE_FRAME
from dp_ros.ros.parameters import Parameter, ParameterTable

PARAMETERS = ParameterTable(
    'observation_aggregator',
    Parameter(
        'task',
        '',
        'Task file, to observe without a policy; empty: the task in `policy/contract`.',
        read_only=True,
    ),
    Parameter(
        'compressed_cameras',
        [],
        'Names of the cameras to read from <topic>/compressed instead of <topic>.',
        element=str,
        read_only=True,
    ),
    Parameter(
        'max_age',
        0.5,
        'Largest age of a message at receipt, by its stamp [s]; older ones are refused.',
        low=0.01,
        high=60.0,
    ),
    Parameter(
        'max_future',
        0.1,
        'Largest time by which a stamp may be ahead of the clock [s].',
        low=0.0,
        high=60.0,
    ),
    Parameter(
        'max_wait',
        0.1,
        'Longest time that an observation waits for its joint states and transforms [s].',
        low=0.0,
        high=10.0,
    ),
    BASE_FRAME,
    Parameter(
        'eef_frame',
        '',
        'Frame of the end effector, for its pose from tf; empty: observations hold no pose.',
        read_only=True,
    ),
)


def live_limits(values: Mapping[str, Any]) -> LiveLimits:
    """Return what is too late."""
    return LiveLimits(*(to_ns(values[name]) for name in ('max_age', 'max_future', 'max_wait')))
