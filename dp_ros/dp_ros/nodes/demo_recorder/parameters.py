# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `demo_recorder`."""

from __future__ import annotations

from dp_ros.data.bags.recording import STORAGES
from dp_ros.ros.parameters import Parameter, ParameterTable

PARAMETERS = ParameterTable(
    'demo_recorder',
    Parameter(
        'directory', 'demonstrations', 'Folder of the episodes; made if needed.', read_only=True
    ),
    Parameter('storage', 'mcap', 'Format of the bags.', choices=tuple(STORAGES)),
    Parameter(
        'topics',
        [
            'camera/front/image_raw',
            'joint_states',
            'fr3_arm_controller/joint_trajectory',
            'gripper/target',
            'goal',
            'episode/status',
            '/tf',
            '/tf_static',
        ],
        'Topics to record; their types are those in use when they appear.',
        read_only=True,
    ),
    Parameter(
        'required_topics',
        ['camera/front/image_raw', 'joint_states'],
        'Topics without which no episode starts, and whose silence ends the open one.',
        read_only=True,
    ),
    Parameter(
        'max_silence',
        1.0,
        'How long a required topic may be silent [s], by the wall clock.',
        low=0.05,
        high=60.0,
    ),
    Parameter(
        'min_rates',
        [8.0, 50.0],
        'Messages per second of each of required_topics [Hz], by the wall clock; slower ones are '
        'warned of. Empty: any.',
        low=0.0,
        read_only=True,
    ),
    Parameter(
        'warn_free_space',
        2000,
        'Free space below which every episode starts with a warning [MB].',
        low=0,
        high=1_000_000,
    ),
    Parameter(
        'min_free_space',
        200,
        'Free space below which no episode starts and the open one ends [MB].',
        low=0,
        high=1_000_000,
    ),
    Parameter(
        'queue_size',
        1000,
        'Messages per topic that may wait to be written.',
        low=1,
        high=100_000,
        read_only=True,
    ),
)


def check(values: dict[str, object]) -> str | None:
    """Return which parameters contradict each other, or None."""
    topics, required = values['topics'], values['required_topics']
    assert isinstance(topics, list) and isinstance(required, list)
    rates = values['min_rates']
    assert isinstance(rates, list)
    if rates and len(rates) != len(required):
        return f'min_rates {rates}: needs one for each of required_topics {required}, or none'
    extra = sorted(set(required) - set(topics))
    if extra:
        return f'required_topics {extra} are not in topics {topics}'
    return None
