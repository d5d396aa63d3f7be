# SPDX-License-Identifier: Apache-2.0
"""A robot description is judged by the joints and limits that commands are kept to."""

from dp_ros.control.checks.description import description_misfits
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.sim.urdf import robot_description
import pytest

FR3 = robot_description('base')
# lower, upper [rad] and velocity [rad/s] of robots/fer/joint_limits.yaml of franka_description.
PANDA = [
    (-2.8973, 2.8973, 2.1750),
    (-1.7628, 1.7628, 2.1750),
    (-2.8973, 2.8973, 2.1750),
    (-3.0718, -0.0698, 2.1750),
    (-2.8973, 2.8973, 2.6100),
    (-0.0175, 3.7525, 2.6100),
    (-2.8973, 2.8973, 2.6100),
]


def urdf(limits, prefix):
    joints = ''.join(
        f'<joint name="{prefix}joint{i}" type="revolute">'
        f'<limit lower="{lower}" upper="{upper}" velocity="{velocity}" effort="87"/></joint>'
        for i, (lower, upper, velocity) in enumerate(limits, 1)
    )
    return f'<robot name="arm">{joints}</robot>'


def misfits(description, names=JOINT_NAMES):
    return description_misfits(description, names, FR3_LIMITS)


def test_an_fr3_fits():
    assert misfits(FR3) == ()


def test_a_panda_under_the_names_of_an_fr3_is_recognized_by_its_limits():
    (misfit,) = misfits(urdf(PANDA, 'fr3_'))
    assert misfit == (
        'robot_description has the limits of a Panda: the policy and dp_ros drive an FR3'
    )


def test_a_panda_under_its_own_names_lacks_the_joints():
    (misfit,) = misfits(urdf(PANDA, 'panda_'))
    assert 'has no joint fr3_joint1' in misfit and "it has ['panda_joint1'" in misfit


def test_a_prefix_of_the_joint_names_is_named():
    (misfit,) = misfits(FR3.replace('fr3_joint', 'left_fr3_joint'))
    assert 'is fr3_joint1 the same as left_fr3_joint1? Then set joint_names' in misfit
    assert (
        misfits(FR3.replace('fr3_joint', 'left_fr3_joint'), [f'left_{n}' for n in JOINT_NAMES])
        == ()
    )


@pytest.mark.parametrize(
    ('was', 'is_now'), [('2.62', '2.0'), ('-1.7837', '-1.5'), ('4.5169', '5')]
)
def test_every_joint_with_another_limit_is_named_with_both(was, is_now):
    found = misfits(FR3.replace(f'"{was}"', f'"{is_now}"'))
    assert found and all(f'{float(is_now):g}' in each and was in each for each in found)


def test_a_joint_without_limits_does_not_fit():
    found = misfits('<robot>' + ''.join(f'<joint name="{n}"/>' for n in JOINT_NAMES) + '</robot>')
    assert len(found) == 7 and 'to nan' in found[0]


@pytest.mark.parametrize('text', ['', 'not xml', '<robot>', FR3.replace('"2.62"', '"fast"')])
def test_what_is_no_urdf_is_said_to_be_unreadable(text):
    (misfit,) = misfits(text)
    assert misfit.startswith('robot_description cannot be read: ')
