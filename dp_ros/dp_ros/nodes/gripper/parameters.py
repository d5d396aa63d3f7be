# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `gripper`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.control.gripper.finger_width import WidthScale
from dp_ros.control.gripper.gripper import GripperConfig
from dp_ros.ros.common_parameters import FINGER_JOINT_NAMES
from dp_ros.ros.parameters import Parameter, ParameterTable

FRANKA_HAND = 'franka_hand'
POSITION = 'position'

PARAMETERS = ParameterTable(
    'gripper',
    Parameter(
        'kind',
        FRANKA_HAND,
        "Interface of the gripper: 'franka_hand', the actions move and grasp of franka_msgs; "
        "'position', one action control_msgs/GripperCommand.",
        choices=(FRANKA_HAND, POSITION),
        read_only=True,
    ),
    Parameter(
        'move_action',
        'franka_gripper/move',
        "Action that opens the fingers, for the kind 'franka_hand'.",
        read_only=True,
    ),
    Parameter(
        'grasp_action',
        'franka_gripper/grasp',
        "Action that closes the fingers, for the kind 'franka_hand'.",
        read_only=True,
    ),
    Parameter(
        'command_action',
        'robotiq_gripper_controller/gripper_cmd',
        "Action that opens and closes the fingers, for the kind 'position'.",
        read_only=True,
    ),
    Parameter(
        'joint_states',
        'franka_gripper/joint_states',
        'Topic of the measured finger joints; without it the latency cannot be measured.',
        read_only=True,
    ),
    FINGER_JOINT_NAMES,
    Parameter('stroke', 0.08, 'Width between the open fingers [m].', low=0.001, high=1.0),
    Parameter(
        'joint_open',
        0.04,
        'Position of a finger joint when open, in the unit of the joint.',
        low=-10.0,
        high=10.0,
    ),
    Parameter(
        'joint_closed',
        0.0,
        'Position of a finger joint when closed, in the unit of the joint.',
        low=-10.0,
        high=10.0,
    ),
    Parameter(
        'command_open',
        0.0,
        "Position of a GripperCommand that opens, for the kind 'position'.",
        low=-10.0,
        high=255.0,
    ),
    Parameter(
        'command_closed',
        0.8,
        "Position of a GripperCommand that closes, for the kind 'position'.",
        low=-10.0,
        high=255.0,
    ),
    Parameter(
        'close_below',
        0.05,
        'Width below which a target closes the Hand by a grasp [m]; has to be above the width '
        'that the policy asks for while it holds the widest object.',
        low=0.0,
        high=1.0,
    ),
    Parameter(
        'open_above',
        0.06,
        'Width above which a target opens the Hand [m]; between close_below and open_above the '
        'fingers stay as they are.',
        low=0.0,
        high=1.0,
    ),
    Parameter(
        'min_change',
        0.01,
        'Smallest difference between two target widths that gives a new goal [m].',
        low=0.001,
        high=0.1,
    ),
    Parameter('dwell', 0.5, 'Shortest time between two goals [s].', low=0.0, high=10.0),
    Parameter(
        'latency',
        0.2,
        'Time from a goal to the first motion of the fingers [s]; goals are sent this much '
        'earlier. /diagnostics shows the latency of the last goal.',
        low=0.0,
        high=2.0,
    ),
    Parameter(
        'answer_timeout',
        5.0,
        'Time after which an unanswered goal is a fault [s].',
        low=0.5,
        high=60.0,
    ),
    Parameter('move.speed', 0.1, 'Speed of opening [m/s].', low=0.01, high=0.2),
    Parameter('grasp.speed', 0.1, 'Speed of closing [m/s].', low=0.01, high=0.2),
    Parameter(
        'grasp.force',
        30.0,
        "Force of a grasp, and maximum effort for the kind 'position' [N].",
        low=0.0,
        high=235.0,
    ),
    Parameter('grasp.width', 0.04, 'Expected width of the object [m].', low=0.0, high=0.08),
    Parameter(
        'grasp.epsilon.inner',
        0.035,
        'Largest amount by which a held object is narrower than grasp.width [m].',
        low=0.0,
        high=0.08,
    ),
    Parameter(
        'grasp.epsilon.outer',
        0.04,
        'Largest amount by which a held object is wider than grasp.width [m].',
        low=0.0,
        high=0.08,
    ),
)


def gripper_config(values: Mapping[str, Any]) -> GripperConfig:
    """Return when widths become goals."""
    return GripperConfig(
        fingers=tuple(values['finger_joint_names']),
        scale=WidthScale(values['joint_closed'], values['joint_open'], values['stroke']),
        grasps=values['kind'] == FRANKA_HAND,
        close_below=values['close_below'],
        open_above=values['open_above'],
        min_change=values['min_change'],
        dwell=values['dwell'],
        latency=values['latency'],
        answer_timeout=values['answer_timeout'],
    )


def command_scale(values: Mapping[str, Any]) -> WidthScale:
    """Return what the position of a GripperCommand means."""
    return WidthScale(values['command_closed'], values['command_open'], values['stroke'])


def check(values: Mapping[str, Any]) -> str | None:
    """Return why the values do not fit together, or None."""
    if not values['finger_joint_names']:
        return 'finger_joint_names = []: needs the joints of the gripper'
    try:
        gripper_config(values)
        command_scale(values)
    except ValueError as error:
        return str(error)
    return _check_hand(values) if values['kind'] == FRANKA_HAND else None


def _check_hand(values: Mapping[str, Any]) -> str | None:
    close_below, open_above, stroke = (
        values[name] for name in ('close_below', 'open_above', 'stroke')
    )
    if not close_below < open_above < stroke:
        return (
            f'close_below = {close_below}, open_above = {open_above}, stroke = {stroke}: '
            'need to increase in this order'
        )
    longest = stroke / min(values['move.speed'], values['grasp.speed'])
    if values['answer_timeout'] < longest + 1.0:
        return (
            f'answer_timeout = {values["answer_timeout"]}: a full stroke takes {longest:g} s at '
            'the speeds given; needs a second more than that'
        )
    return None
