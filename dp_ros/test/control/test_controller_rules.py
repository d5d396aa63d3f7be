# SPDX-License-Identifier: Apache-2.0
"""Which controllers the executor can drive, and what a recovery activates."""

from dataclasses import replace

from dp_ros.control.checks.controller import (
    CONTROLLER_TYPE,
    Controller,
    Hardware,
    controller_misfits,
    controllers_to_activate,
    hardware_to_activate,
    parameter_misfits,
)
from dp_ros.robot.kinematics import JOINT_NAMES
import pytest

JOINTS = list(JOINT_NAMES)
EFFORTS = tuple(f'{joint}/effort' for joint in JOINTS)
ARM = Controller('arm', CONTROLLER_TYPE, 'active', EFFORTS, EFFORTS)
BROADCASTER = Controller('joints', 'joint_state_broadcaster/JointStateBroadcaster', 'active')
GOOD = {
    'joints': JOINTS[::-1],
    'command_interfaces': ['effort'],
    'allow_nonzero_velocity_at_trajectory_end': False,
    'interpolate_from_desired_state': True,
}


def test_a_trajectory_controller_of_the_joints_fits():
    assert controller_misfits('arm', JOINTS, [BROADCASTER, ARM]) == ()
    assert parameter_misfits('arm', JOINTS, GOOD) == ()
    assert parameter_misfits('arm', JOINTS, {**GOOD, 'allow_trajectory_replacement': False}) == ()


@pytest.mark.parametrize(
    ('controllers', 'misfit'),
    [
        ([], 'no controller arm among []: spawn it, or set controller_name'),
        ([BROADCASTER], "no controller arm among ['joints']"),
        ([replace(ARM, type='a/B')], f'arm is a a/B: needs a {CONTROLLER_TYPE}'),
        ([replace(ARM, state='inactive')], 'arm is inactive: activate it, or call executor/reco'),
        ([replace(ARM, claimed=EFFORTS[:5])], 'arm does not claim fr3_joint6, fr3_joint7, but'),
    ],
)
def test_another_controller_is_refused_with_the_reason(controllers, misfit):
    (found,) = controller_misfits('arm', JOINTS, controllers)
    assert found.startswith(misfit)


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('joints', ['left_joint1'], "joints is ['left_joint1']: needs ['fr3_joint1'"),
        ('joints', None, 'joints is not set'),
        ('command_interfaces', [], 'command_interfaces is []: needs position or effort'),
        ('allow_nonzero_velocity_at_trajectory_end', True, 'run on where a trajectory ends'),
        (
            'interpolate_from_desired_state',
            False,
            'is false: needs true, or every',
        ),
        ('interpolate_from_desired_state', None, 'is not set: needs true'),
        ('allow_trajectory_replacement', True, 'is true: needs false'),
    ],
)
def test_each_parameter_that_does_not_fit_is_named_with_its_value(name, value, reason):
    (found,) = parameter_misfits('arm', JOINTS, {**GOOD, name: value})
    assert found.startswith(f'arm: {name} is ') and reason in found


def test_all_parameters_that_do_not_fit_are_named_at_once():
    assert len(parameter_misfits('arm', JOINTS, {})) == len(GOOD)


def test_a_recovery_activates_the_hardware_of_the_arm_only():
    components = [
        Hardware('arm', 'unconfigured', EFFORTS),
        Hardware('other_arm', 'inactive', ('left_joint1/effort',)),
    ]
    assert hardware_to_activate(JOINTS, components) == ('arm',)
    assert hardware_to_activate(JOINTS, [replace(components[0], state='active')]) == ()


def test_a_recovery_activates_the_arms_controller_and_broadcasters_only():
    other = replace(ARM, name='other')
    all_inactive = [replace(each, state='inactive') for each in (BROADCASTER, other, ARM)]
    assert controllers_to_activate('arm', all_inactive) == ('joints', 'arm')
    assert controllers_to_activate('arm', [BROADCASTER, ARM]) == ()
    assert controllers_to_activate('arm', [replace(ARM, state='unconfigured')]) == ()
