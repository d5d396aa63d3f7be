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
    'Configure and activate the node at start; if false, do it by `ros2 lifecycle set`.',
    read_only=True,
)

ARM_JOINT_NAMES: Final = Parameter(
    'joint_names',
    list(JOINT_NAMES),
    "Names of the arm's joints, as in its controller.",
    read_only=True,
)

GRIPPER_JOINT_NAMES: Final = Parameter(
    'gripper_joint_names',
    [],
    'Names of the gripper joints that a chunk commands together with the arm; empty: none.',
    read_only=True,
    element=str,
)

FINGER_JOINT_NAMES: Final = Parameter(
    'finger_joint_names',
    list(FINGER_NAMES),
    'Names of the finger joints; `gripper/target` may hold all or some of them.',
    read_only=True,
)

CONTROLLER_NAME: Final = Parameter(
    'controller_name',
    'fr3_arm_controller',
    "Name of the arm's joint trajectory controller; its commands are on "
    '<controller_name>/joint_trajectory.',
    read_only=True,
)

LEAD_TIME: Final = Parameter(
    'lead_time',
    0.06,
    'Time from now to the point where a new chunk joins the running motion [s]; has to be longer '
    'than a message takes to the controller.',
    low=0.02,
    high=0.5,
)

BASE_FRAME: Final = Parameter(
    'base_frame', BASE_LINK, "Name of the arm's base frame.", read_only=True
)

TOOL_FRAME: Final = Parameter(
    'tool_frame',
    TOOL_LINK,
    f'Link of robot_description that is the TCP; without a link `{TOOL_LINK}`, the last link of '
    'the arm, if there is only one.',
    read_only=True,
)
