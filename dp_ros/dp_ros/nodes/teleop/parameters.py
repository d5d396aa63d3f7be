# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `teleop`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.control.teleop.inputs import NOWHERE, Action, JoyMapping
from dp_ros.control.teleop.leader import LeaderConfig
from dp_ros.control.teleop.teleop import TeleopConfig
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.ros.common_parameters import (
    ARM_JOINT_NAMES,
    BASE_FRAME,
    CONTROLLER_NAME,
    GRIPPER_JOINT_NAMES,
    LEAD_TIME,
    TOOL_FRAME,
)
from dp_ros.ros.parameters import Parameter, ParameterTable


def _button(name: str, default: int, meaning: str) -> Parameter:
    return Parameter(
        name, default, f'Index of the button of `joy` that {meaning}; -1: none.', low=NOWHERE
    )


PARAMETERS = ParameterTable(
    'teleop',
    Parameter(
        'device',
        'gamepad',
        'Input that moves the arm: the axes of `joy`, `teleop/twist`, `teleop/leader`, or hands '
        'that guide it (nothing is commanded). The buttons of `joy` work with every device.',
        choices=('gamepad', 'twist', 'leader', 'guiding'),
        read_only=True,
    ),
    ARM_JOINT_NAMES,
    GRIPPER_JOINT_NAMES,
    CONTROLLER_NAME,
    Parameter('gripper_open', 0.04, 'Position of each open finger [m].', low=0.0, high=0.1),
    Parameter('gripper_closed', 0.0, 'Position of each closed finger [m].', low=0.0, high=0.1),
    Parameter(
        'rate',
        25.0,
        'Rate of the chunks while the arm moves [Hz].',
        low=5.0,
        high=50.0,
        read_only=True,
    ),
    LEAD_TIME,
    Parameter(
        'input_timeout',
        0.25,
        'Silence of the input after which the arm brakes [s]; has to be longer than the period of '
        'the device.',
        low=0.05,
        high=1.0,
    ),
    Parameter(
        'max_linear_velocity', 0.15, 'Highest velocity of the TCP [m/s].', low=0.001, high=1.0
    ),
    Parameter(
        'max_angular_velocity',
        0.6,
        'Highest angular velocity of the TCP [rad/s].',
        low=0.001,
        high=2.5,
    ),
    Parameter(
        'max_joint_velocity', 1.0, 'Highest velocity of a joint [rad/s].', low=0.01, high=2.0
    ),
    Parameter(
        'max_joint_acceleration',
        4.0,
        'Highest acceleration of a joint [rad/s²].',
        low=0.1,
        high=8.0,
    ),
    Parameter(
        'frame',
        'base',
        'Frame in which the axes of `joy` move the tool, and in which a twist without a frame is '
        'read.',
        choices=('base', 'tool'),
    ),
    BASE_FRAME,
    TOOL_FRAME,
    Parameter(
        'linear_axes',
        [1, 0, 3],
        'Indices of the axes of `joy` that move along x, y and z; -1: none. The defaults fit '
        "joy's game_controller_node.",
        low=-1,
    ),
    Parameter(
        'angular_axes',
        [-1, -1, 2],
        'Indices of the axes of `joy` that turn about x, y and z; -1: none.',
        low=-1,
    ),
    _button('enable_button', 9, 'has to be held for the axes to count'),
    _button('rotate_button', 10, 'makes the linear axes tilt the tool while held'),
    _button(Action.GRIPPER.value, 0, 'opens and closes the gripper'),
    _button(Action.START.value, 6, 'starts an episode'),
    _button(Action.SUCCESS.value, 3, 'keeps the episode as a success; may be start_button'),
    _button(Action.FAILURE.value, 1, 'keeps the episode as a failure'),
    _button(Action.DISCARD.value, 4, 'discards the episode'),
    _button(Action.RESUME.value, 7, 'lets the executor resume after a stop'),
    _button(Action.GO_TO_START.value, 2, 'brings the arm to the start pose of the task'),
    Parameter(
        'instruction', '', 'Description of the demonstration in words; stored with every episode.'
    ),
    Parameter(
        'leader_joint_names',
        list(JOINT_NAMES),
        "Names of the leader's joints, in the order of `joint_names`.",
        read_only=True,
    ),
    Parameter(
        'leader_gripper_joint',
        '',
        "Name of the leader's joint that moves the gripper; empty: none.",
        read_only=True,
    ),
    Parameter(
        'leader_gripper_range',
        [0.0, 0.04],
        'Positions of leader_gripper_joint for the closed and the open gripper.',
    ),
    Parameter(
        'leader_near',
        0.1,
        'Distance between leader and arm, in any joint, up to which the leader is followed at '
        'full speed [rad].',
        low=0.01,
        high=0.5,
    ),
    Parameter(
        'leader_far',
        0.8,
        'Distance between leader and arm, in any joint, beyond which the leader is not followed '
        '[rad].',
        low=0.01,
        high=3.0,
    ),
    Parameter(
        'leader_approach_velocity',
        0.2,
        'Highest velocity of a joint while the leader is farther than leader_near [rad/s].',
        low=0.01,
        high=1.0,
    ),
)


def check(values: Mapping[str, Any]) -> str | None:
    """Return which parameters contradict each other, or None."""
    names = values['joint_names']
    if not names or len(names) != len(set(names)):
        return f'joint_names = {names}: needs each joint of the arm once'
    leader = values['leader_joint_names']
    if values['device'] == 'leader' and len(leader) != len(names):
        return f'leader_joint_names = {leader}: needs {len(names)} of them'
    for name, count in (
        ('linear_axes', 3),
        ('angular_axes', 3),
        ('leader_gripper_range', 2),
    ):
        if len(values[name]) != count:
            return f'{name} = {values[name]}: needs {count} of them'
    closed, opened = values['leader_gripper_range']
    if closed == opened:
        return f'leader_gripper_range = {[closed, opened]}: needs two different positions'
    if values['input_timeout'] < 2 / values['rate']:
        return f'input_timeout = {values["input_timeout"]}: needs at least two periods of rate'
    return None


def teleop_config(values: Mapping[str, Any]) -> TeleopConfig:
    """Return how inputs are followed."""
    return TeleopConfig(
        period=1 / values['rate'],
        lead=values['lead_time'],
        velocity=values['max_joint_velocity'],
        acceleration=values['max_joint_acceleration'],
        input_timeout=values['input_timeout'],
    )


def joy_mapping(values: Mapping[str, Any]) -> JoyMapping:
    """Return where a Joy message has what; axes count for a gamepad alone."""
    actions = {action: values[action.value] for action in Action}
    if values['device'] != 'gamepad':
        nothing = (NOWHERE,) * 3
        return JoyMapping(nothing, nothing, NOWHERE, NOWHERE, actions)
    return JoyMapping(
        tuple(values['linear_axes']),
        tuple(values['angular_axes']),
        values['enable_button'],
        values['rotate_button'],
        actions,
    )


def leader_config(values: Mapping[str, Any]) -> LeaderConfig:
    """Return how a leader arm is followed."""
    closed, opened = values['leader_gripper_range']
    return LeaderConfig(
        near=values['leader_near'],
        far=values['leader_far'],
        approach_velocity=values['leader_approach_velocity'],
        finger_range=(closed, opened),
    )
