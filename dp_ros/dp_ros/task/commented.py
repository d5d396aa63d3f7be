# SPDX-License-Identifier: Apache-2.0
"""A task file with comments: the meaning and the unit of every value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dp_ros.task.task import ACTIONS, OBSERVATIONS, Task, task_to_dict
import yaml

_END: Final = '...\n'  # PyYAML's end of a single value.
_HEAD: Final = """\
# Task file: the values that recording, training and running have to agree on. Every bag and every
# checkpoint contains it, and the policy node publishes it for the other nodes.
# `ros2 run dp_ros task check FILE` checks it and names errors.
"""

_COMMENTS: Final[Mapping[str, str]] = {
    'name': 'Name of the task; the simulation knows reach, dash and pick_place.',
    'joints': 'Joints of the arm in the order of the actions, as its controller names them.',
    'gripper_joints': 'Fingers that the policy moves too; empty: none.',
    'state_names': 'Names of the values of the observed state; empty: those of the joints.',
    'observations': f'Contents of a frame beside images: {", then ".join(OBSERVATIONS)}.',
    'action': f'Contents of an action: {" or ".join(ACTIONS)} of joints and gripper_joints.',
    'cameras': 'Cameras by name, in the order of the observation.',
    'size': 'Height and width of the images of the policy [px].',
    'topic': 'Topic of the raw images; compressed ones are on <topic>/compressed.',
    'crop': 'Top, left, height, width of the part that is kept [px]; empty: the whole image.',
    'tolerance': 'Largest time from an image to its frame [s]; 0: 0.4 dt.',
    'latency': 'Age of an image when it is stamped [s]; it is subtracted from the stamp.',
    'dt': 'Time between frames and between actions [s].',
    'n_obs_steps': 'Number of frames of an observation.',
    'horizon': 'Number of actions of a chunk; the first n_obs_steps - 1 belong to the past.',
    'n_action_steps': 'Number of actions to follow before a new chunk is due.',
    'camera_slop': 'Largest difference of the stamps of a synchronized set of images [s].',
    'joint_latency': 'Age of joint states when they are stamped [s]; subtracted from the stamp.',
    'max_joint_gap': 'Longest time between two joint states to interpolate over [s].',
    'start_positions': 'Positions of joints where episodes begin [rad], for executor/go_to_start; '
    'empty: not said.',
    'topics': 'Topics of the other streams; nodes can remap them.',
    'joint_states': 'Joint states of the arm, and of the fingers if the policy moves them.',
    'commands': "Trajectories that are sent to the arm's controller.",
    'gripper': 'Target trajectories of the gripper.',
}


def commented(task: Task) -> str:
    """Return the task file, each key below its comment; a key is explained once."""
    return _HEAD + '\n'.join(_lines(task_to_dict(task), 0, set())) + '\n'


def _lines(values: Mapping[str, Any], depth: int, explained: set[str]) -> Iterator[str]:
    indent = '  ' * depth
    for key, value in values.items():
        if key in _COMMENTS and key not in explained:
            if depth == 0:
                yield ''
            yield f'{indent}# {_COMMENTS[key]}'
            explained.add(key)
        if isinstance(value, Mapping) and value:
            yield f'{indent}{key}:'
            yield from _lines(value, depth + 1, explained)
        else:
            text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
            yield f'{indent}{key}: {text.removesuffix(_END).strip()}'
