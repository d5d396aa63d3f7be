# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `executor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.control.executor import ExecutorConfig
from dp_ros.parameters import Parameter, ParameterTable
from dp_ros.sim.kinematics import JOINT_NAMES

PARAMETERS = ParameterTable(
    'executor',
    Parameter(
        'autostart',
        True,
        'Configure and activate after start-up; with false, `ros2 lifecycle set` does it.',
        read_only=True,
    ),
    Parameter(
        'joint_names',
        list(JOINT_NAMES),
        'Joints of the arm, as its controller names them.',
        read_only=True,
    ),
    Parameter(
        'gripper_joint_names',
        [],
        "Joints of a gripper that chunks hold beside the arm's; they go to gripper/target.",
        read_only=True,
        element=str,
    ),
    Parameter(
        'controller_name',
        'fr3_arm_controller',
        'The joint trajectory controller; commands go to <controller_name>/joint_trajectory.',
        read_only=True,
    ),
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
        True,
        'false: shadow mode, in which chunks are checked and counted, and nothing is sent; '
        '`~/enable` and `~/disable` set it.',
    ),
    Parameter(
        'n_action_steps', 8, 'Actions of a chunk to follow before braking.', low=1, high=256
    ),
    Parameter(
        'speed_scale',
        1.0,
        '1: as the policy says; less: the same path, slower.',
        low=0.05,
        high=1.0,
    ),
    Parameter(
        'lead_time',
        0.06,
        'From now to where a chunk joins the running motion [s]; longer than a message takes to '
        'the controller.',
        low=0.02,
        high=0.5,
    ),
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


def executor_config(values: Mapping[str, Any]) -> ExecutorConfig:
    """Return how chunks are followed."""
    return ExecutorConfig(
        execute=values['execute'],
        n_action_steps=values['n_action_steps'],
        lead=values['lead_time'],
        speed_scale=values['speed_scale'],
        joint_state_timeout=values['joint_state_timeout'],
        max_tracking_error=values['max_tracking_error'],
    )
