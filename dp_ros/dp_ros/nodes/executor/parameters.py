# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `executor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dp_ros.control.executor.chunk_executor import ExecutorConfig
from dp_ros.control.executor.fit import OF_POLICIES, Smoothing
from dp_ros.control.executor.workspace import Workspace
from dp_ros.ros.common_parameters import (
    ARM_JOINT_NAMES,
    AUTOSTART,
    BASE_FRAME,
    CONTROLLER_NAME,
    GRIPPER_JOINT_NAMES,
    LEAD_TIME,
    TOOL_FRAME,
)
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.task.task import Task

_DEADMAN_LEAD: Final = 0.08
_STEPS: Final = 8  # Of chunks that come without a contract, as those of teleoperation.
_EVERYWHERE: Final = 1.5  # A box of this size is none; an FR3 does not leave it [m].

PARAMETERS = ParameterTable(
    'executor',
    AUTOSTART,
    ARM_JOINT_NAMES,
    replace(
        GRIPPER_JOINT_NAMES,
        description='Names of the gripper joints that a chunk commands together with the arm; '
        'empty: the gripper joints of `policy/contract`.',
    ),
    CONTROLLER_NAME,
    BASE_FRAME,
    TOOL_FRAME,
    Parameter(
        'check_robot',
        True,
        'Check before moving that robot_description and the controller fit: joints, limits, type, '
        'state and parameters.',
        read_only=True,
    ),
    Parameter(
        'error_recovery_action',
        'action_server/error_recovery',
        "Action of franka_ros2 with which `~/recover` clears the robot's error.",
        read_only=True,
    ),
    Parameter(
        'execute',
        False,
        'Send commands to the arm; if false (dry run), chunks are only checked and counted. Set '
        'by `~/enable` and `~/disable`.',
    ),
    Parameter(
        'task',
        '',
        'Task file or checkpoint folder whose `start_positions` `~/go_to_start` leads to; empty: '
        'those of `policy/contract`.',
        read_only=True,
    ),
    Parameter(
        'n_action_steps',
        0,
        'Number of actions of a chunk to follow before braking; 0: as in `policy/contract`.',
        low=0,
        high=256,
    ),
    Parameter(
        'speed_scale',
        1.0,
        'Speed along the path, as a share of the speed that the policy asks for; 0: brake and '
        'rest.',
        low=0.0,
        high=1.0,
    ),
    Parameter(
        'slow_start_time',
        1.0,
        'Time in which the speed rises from 0 to 1 [s]: after a stop or a rest of over 1 s, and '
        'when speed_scale is raised; 0: the speed rises at once.',
        low=0.0,
        high=30.0,
    ),
    Parameter(
        'smoothing_time',
        OF_POLICIES.time,
        'Changes of the path in less time than about this are smoothed out, such as the jitter of '
        'a network [s]; larger: smoother, but rounder corners; 0: through every point. Chunks of '
        'teleoperation are not smoothed.',
        low=0.0,
        high=3.0,
    ),
    Parameter(
        'blend_time',
        OF_POLICIES.blend,
        "Time over which the arm turns from the running motion to a new chunk's path [s]; longer: "
        "gentler, but a later reaction; at most half of the chunk's time is used.",
        low=0.0,
        high=2.0,
    ),
    Parameter(
        'limit_margin',
        0.1,
        "Distance from a joint's limit at which the arm begins to slow down, linearly to a fifth "
        'of the speed at the limit [rad]; 0: it does not slow down.',
        low=0.0,
        high=1.0,
    ),
    Parameter(
        'workspace_low',
        [-_EVERYWHERE] * 3,
        'Lowest x, y and z of tool_frame in base_frame [m]; the arm brakes at this border.',
    ),
    Parameter(
        'workspace_high',
        [_EVERYWHERE] * 3,
        'Highest x, y and z of tool_frame in base_frame [m]; the arm brakes at this border. The '
        'default box holds every point that an FR3 can reach, and is not watched.',
    ),
    Parameter(
        'deadman_button',
        -1,
        'Index of the button of `joy` (sensor_msgs/Joy) that has to be held while the arm moves; '
        '-1: no button.',
        low=-1,
        high=63,
        read_only=True,
    ),
    Parameter(
        'deadman_timeout',
        0.2,
        'Silence of `joy` after which the deadman button counts as released [s].',
        low=0.02,
        high=2.0,
        read_only=True,
    ),
    replace(
        LEAD_TIME,
        description='Shortest time from now to the point where a new chunk joins the running '
        'motion [s]; it grows to what planning, messages and their delivery took lately. A brake '
        'begins after it too.',
    ),
    Parameter(
        'max_lead_time',
        0.2,
        'Longest lead time [s]; a chunk that needs more is late. With a deadman button it is at '
        f'most {_DEADMAN_LEAD} s.',
        low=0.02,
        high=0.5,
    ),
    Parameter(
        'joint_state_timeout',
        0.25,
        'Silence of the joint states after which the arm brakes [s].',
        low=0.02,
        high=5.0,
    ),
    Parameter(
        'max_tracking_error',
        0.15,
        'Largest distance between a joint and its command; beyond it the arm brakes [rad].',
        low=0.01,
        high=1.0,
    ),
)


def executor_config(values: Mapping[str, Any], task: Task | None = None) -> ExecutorConfig:
    """Return how chunks are followed, of a policy that was trained for a task."""
    trained = _STEPS if task is None else task.n_action_steps
    return ExecutorConfig(
        execute=values['execute'],
        n_action_steps=values['n_action_steps'] or trained,
        lead=values['lead_time'],
        max_lead=_max_lead(values),
        speed_scale=values['speed_scale'],
        slow_start_time=values['slow_start_time'],
        smoothing=Smoothing(values['smoothing_time'], values['blend_time']),
        limit_margin=values['limit_margin'],
        workspace=_workspace(values),
        joint_state_timeout=values['joint_state_timeout'],
        max_tracking_error=values['max_tracking_error'],
    )


def _max_lead(values: Mapping[str, Any]) -> float:
    """Return the longest lead; with a deadman button the arm has to brake within 0.1 s."""
    longest = float(values['max_lead_time'])
    return min(longest, _DEADMAN_LEAD) if values['deadman_button'] >= 0 else longest


def _workspace(values: Mapping[str, Any]) -> Workspace | None:
    """Return the box that the TCP is kept in; the default one is not watched."""
    box = Workspace(tuple(values['workspace_low']), tuple(values['workspace_high']))
    default = Workspace((-_EVERYWHERE,) * 3, (_EVERYWHERE,) * 3)
    return None if box == default else box


def check(values: Mapping[str, Any]) -> str | None:
    """Return why values do not fit together, or None."""
    names, fingers = values['joint_names'], values['gripper_joint_names']
    if not names or len(names) != len(set(names)):
        return f'joint_names = {names}: needs each joint of the arm once'
    if set(names) & set(fingers):
        return f'gripper_joint_names = {fingers}: {names} are the joints of the arm'
    if values['deadman_button'] >= 0 and values['lead_time'] > _DEADMAN_LEAD:
        return (
            f'lead_time = {values["lead_time"]} s: needs at most {_DEADMAN_LEAD} s, for the '
            'deadman to brake within 0.1 s'
        )
    try:
        executor_config(values)
    except ValueError as error:
        return str(error)
    return None
