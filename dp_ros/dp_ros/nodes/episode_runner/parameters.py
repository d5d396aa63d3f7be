# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `episode_runner`."""

from __future__ import annotations

from dp_ros.ros.parameters import Parameter, ParameterTable

PARAMETERS = ParameterTable(
    'episode_runner',
    Parameter(
        'reset_service',
        'franka_sim/reset',
        'Service that resets the scene and the arm to a start state; empty: there is none.',
        read_only=True,
    ),
    Parameter(
        'service_timeout',
        30.0,
        'Longest time that a node may take to answer a service [s].',
        low=0.5,
        high=120.0,
    ),
    Parameter(
        'chunk_timeout',
        5.0,
        'Longest time without a chunk, after which the episode ends [s].',
        low=0.5,
        high=120.0,
    ),
    Parameter(
        'reroll',
        0,
        'Which noise the policy has in a scene; 0: that of the seed. Another number gives another '
        'motion in the same scene.',
        low=0,
        high=1_000_000,
    ),
    Parameter(
        'move_goal_after',
        1.0,
        "Time of the goal's move in an episode with `move_goal` [s after the first chunk].",
        low=0.0,
        high=60.0,
    ),
    Parameter(
        'move_obstacle',
        0.0,
        'Distance by which the obstacle moves in mid-episode [m], to the left in episodes of even '
        'seeds; 0: it stays.',
        low=-1.0,
        high=1.0,
    ),
    Parameter(
        'move_obstacle_after',
        0.4,
        "Time of the obstacle's move [s after the first chunk].",
        low=0.0,
        high=60.0,
    ),
)
