# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `demo_recorder`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dp_ros.data.bags.recording import STORAGES
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.task.task import Task

_FRAMES: Final = 0.8  # Images per dt, below which windows are lost.
_JOINT_STATES: Final = 5.0  # Joint states per max_joint_gap, likewise.

PARAMETERS = ParameterTable(
    'demo_recorder',
    Parameter(
        'directory',
        'demonstrations',
        'Folder for the episodes; created if it does not exist.',
        read_only=True,
    ),
    Parameter('storage', 'mcap', 'Storage format of the bags.', choices=tuple(STORAGES)),
    Parameter(
        'task',
        '',
        'Task file or checkpoint folder; the topics of this task are recorded, and every bag '
        'stores the task. Empty: only `topics` are recorded.',
        read_only=True,
    ),
    Parameter(
        'compressed_cameras',
        [],
        'Names of the cameras to record from <topic>/compressed instead of <topic>.',
        element=str,
        read_only=True,
    ),
    Parameter(
        'topics',
        [
            'goal',
            'episode/status',
            'observation',
            'policy/status',
            'executor/status',
            '/tf',
            '/tf_static',
        ],
        'Topics to record in addition to those of the task; their types are found when they '
        'appear.',
        read_only=True,
    ),
    Parameter(
        'required_topics',
        [],
        'Topics that have to be alive: without one of them no episode starts, and its silence '
        "ends a running episode. Empty: the task's cameras and joint states.",
        element=str,
        read_only=True,
    ),
    Parameter(
        'max_silence',
        1.0,
        'Longest silence of a required topic [s of wall time].',
        low=0.05,
        high=60.0,
    ),
    Parameter(
        'min_rates',
        [],
        'Lowest rates of the topics in required_topics [Hz of wall time], in the same order; a '
        'slower topic gives a warning. Empty: the rates that the task needs.',
        element=float,
        low=0.0,
        read_only=True,
    ),
    Parameter(
        'warn_free_space',
        2000,
        'Free disk space below which an episode starts with a warning [MB].',
        low=0,
        high=1_000_000,
    ),
    Parameter(
        'min_free_space',
        200,
        'Free disk space below which no episode starts and a running one ends [MB].',
        low=0,
        high=1_000_000,
    ),
    Parameter(
        'queue_size',
        1000,
        'Largest number of messages per topic that wait to be written.',
        low=1,
        high=100_000,
        read_only=True,
    ),
)


@dataclass(frozen=True)
class Recorded:
    """What is recorded.

    :param required: without what no episode starts; ``min_rates``: of each of them [Hz], or none.
    """

    topics: tuple[str, ...]
    required: tuple[str, ...]
    min_rates: tuple[float, ...]


def recorded(values: Mapping[str, Any], task: Task | None) -> Recorded:
    """Return what the parameters and the task say together.

    :raises ValueError: when they contradict each other.
    """
    cameras = {} if task is None else task.camera_topics
    compressed = set(values['compressed_cameras'])
    unknown = sorted(compressed - cameras.keys())
    if unknown:
        raise ValueError(f'compressed_cameras: {unknown}: the task has {list(cameras)}')
    needed = [
        f'{topic}/compressed' if name in compressed else topic for name, topic in cameras.items()
    ]
    rates = [] if task is None else [_FRAMES / task.dt] * len(needed)
    commands = []
    if task is not None:
        needed.append(task.topics.joint_states)
        rates.append(_JOINT_STATES / task.max_joint_gap)
        commands = [task.topics.commands, task.topics.gripper]
    topics = tuple(dict.fromkeys([*needed, *commands, *values['topics']]))
    required = values['required_topics'] or needed
    given = values['min_rates'] or ([] if values['required_topics'] else rates)
    extra = sorted(set(required) - set(topics))
    if not topics:
        raise ValueError('nothing to record: name a task file, or topics')
    if extra:
        raise ValueError(f'required_topics {extra} are not in topics {list(topics)}')
    if given and len(given) != len(required):
        raise ValueError(
            f'min_rates {given}: needs one for each of required_topics {list(required)}, or none'
        )
    return Recorded(topics, tuple(required), tuple(given))
