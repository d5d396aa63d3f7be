# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `executor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dp_ros.control.executor.chunk_executor import ExecutorConfig
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
        description='Joints of the gripper that chunks command beside the arm; empty: those of '
        'policy/contract.',
    ),
    CONTROLLER_NAME,
    BASE_FRAME,
    TOOL_FRAME,
    Parameter(
        'check_robot',
        True,
        'Check robot_description and the controller before moving: joints, limits, type, state '
        'and parameters.',
        read_only=True,
    ),
    Parameter(
        'error_recovery_action',
        'action_server/error_recovery',
        "The action of franka_ros2 by which `~/recover` clears the robot's error.",
        read_only=True,
    ),
    Parameter(
        'execute',
        False,
        'false: shadow mode, in which chunks are checked and counted, and nothing is sent; '
        '`~/enable` and `~/disable` set it.',
    ),
    Parameter(
        'n_action_steps',
        0,
        'Actions of a chunk to follow before braking; 0: as many as policy/contract says.',
        low=0,
        high=256,
    ),
    Parameter(
        'speed_scale',
        1.0,
        '1: as the policy says; less: the same path, slower; 0: the arm brakes and rests.',
        low=0.0,
        high=1.0,
    ),
    Parameter(
        'slow_start_time',
        1.0,
        'How long the speed takes from 0 to 1 [s]: after enable, resume, reset and release of the '
        'deadman, and when speed_scale is raised; 0: none.',
        low=0.0,
        high=30.0,
    ),
    Parameter(
        'limit_margin',
        0.1,
        "Within this distance of a joint's limit the speed falls linearly, to a fifth at the "
        'limit [rad]; 0: it does not.',
        low=0.0,
        high=1.0,
    ),
    Parameter(
        'workspace_low',
        [-_EVERYWHERE] * 3,
        'Lowest x, y and z of tool_frame in base_frame [m]; chunks are followed up to there.',
    ),
    Parameter(
        'workspace_high',
        [_EVERYWHERE] * 3,
        'Highest x, y and z of tool_frame [m]; the default box, which holds all that an FR3 can '
        'reach, is not watched.',
    ),
    Parameter(
        'deadman_button',
        -1,
        'Index of the button in sensor_msgs/Joy on `joy` that has to be held for the arm to move; '
        '-1: none.',
        low=-1,
        high=63,
        read_only=True,
    ),
    Parameter(
        'deadman_timeout',
        0.2,
        'Without messages on `joy` for this long the button counts as released [s].',
        low=0.02,
        high=2.0,
        read_only=True,
    ),
    LEAD_TIME,
    Parameter(
        'joint_state_timeout',
        0.25,
        'Without joint states for this long the arm brakes [s].',
        low=0.02,
        high=5.0,
    ),
    Parameter(
        'max_tracking_error',
        0.15,
        'Largest distance of a joint from where it is commanded; beyond it the arm stops [rad].',
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
        speed_scale=values['speed_scale'],
        slow_start_time=values['slow_start_time'],
        limit_margin=values['limit_margin'],
        workspace=_workspace(values),
        joint_state_timeout=values['joint_state_timeout'],
        max_tracking_error=values['max_tracking_error'],
    )


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
