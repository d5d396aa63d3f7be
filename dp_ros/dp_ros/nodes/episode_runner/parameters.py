# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `episode_runner`."""

from __future__ import annotations

from dp_ros.ros.parameters import Parameter, ParameterTable

PARAMETERS = ParameterTable(
    'episode_runner',
    Parameter(
        'reset_service',
        'franka_sim/reset',
        'Service that puts scene and arm into the start state; empty where nothing can.',
        read_only=True,
    ),
    Parameter(
        'service_timeout', 30.0, 'How long a node may take to answer [s].', low=0.5, high=120.0
    ),
    Parameter(
        'chunk_timeout',
        5.0,
        'How long an episode goes on without a chunk [s].',
        low=0.5,
        high=120.0,
    ),
    Parameter(
        'move_goal_after',
        1.0,
        'When a goal that is to move does so [s after the first chunk].',
        low=0.0,
        high=60.0,
    ),
)
