# SPDX-License-Identifier: Apache-2.0
"""Parameters that mean the same to several nodes, which put them into their tables."""

from __future__ import annotations

from typing import Final

from dp_ros.robot.arm_model import BASE_LINK, TOOL_LINK
from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES
from dp_ros.ros.parameters import Parameter

AUTOSTART: Final = Parameter(
    'autostart',
    True,
    'Configure and activate after start-up; with false, `ros2 lifecycle set` does it.',
    read_only=True,
)

ARM_JOINT_NAMES: Final = Parameter(
    'joint_names',
    list(JOINT_NAMES),
    'Joints of the arm, as its controller names them.',
    read_only=True,
)

GRIPPER_JOINT_NAMES: Final = Parameter(
    'gripper_joint_names',
    [],
    'Joints of the gripper that chunks command beside the arm; empty: none.',
    read_only=True,
    element=str,
)

FINGER_JOINT_NAMES: Final = Parameter(
    'finger_joint_names',
    list(FINGER_NAMES),
    'Joints of the fingers; a target of the gripper may name some of them.',
    read_only=True,
)

CONTROLLER_NAME: Final = Parameter(
    'controller_name',
    'fr3_arm_controller',
    'Joint trajectory controller of the arm; commands go to <controller_name>/joint_trajectory.',
    read_only=True,
)

LEAD_TIME: Final = Parameter(
    'lead_time',
    0.06,
    'Time from now to where a chunk joins the running motion [s]; longer than a message takes to '
    'the controller.',
    low=0.02,
    high=0.5,
)

BASE_FRAME: Final = Parameter('base_frame', BASE_LINK, "Frame of the arm's base.", read_only=True)

TOOL_FRAME: Final = Parameter(
    'tool_frame',
    TOOL_LINK,
    f'Link of robot_description that is the TCP; without a link `{TOOL_LINK}`, the last one of '
    'the arm if there is only one.',
    read_only=True,
)
