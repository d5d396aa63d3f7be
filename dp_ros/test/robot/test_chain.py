# SPDX-License-Identifier: Apache-2.0
"""Kinematics by a robot description: MuJoCo's for the same text, and the FR3's, to rounding."""

import re

from arms import FR3_JOINTS, SIX_JOINTS, fr3, six
from dp_ros.robot import kinematics
from dp_ros.robot.description import Description
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.sim.urdf import robot_description
import mujoco
import numpy as np
import pytest

ROUNDING = 1e-12
"""[m] of positions, [1] of rotation matrices and of the Jacobian."""
ARMS = {
    'FR3': (fr3(), FR3_JOINTS, 'base', 'fr3_hand_tcp'),
    'six': (six(), SIX_JOINTS, 'six_link0', 'tool0'),
    'six from beside': (six(), SIX_JOINTS, 'base', 'tool0'),
    'turned axes': (
        six().replace('axis xyz="0 0 1"', 'axis xyz="1 -2 0.5"'),
        SIX_JOINTS,
        'world',
        'six_link6',
    ),
}


def chain(text, names, base, tip):
    return Description(text).chain(names, base, tip)


@pytest.fixture(params=ARMS)
def arm(request):
    return ARMS[request.param]


def configurations(names, count=50):
    return np.random.default_rng(1).uniform(-3, 3, (count, len(names)))


def mujoco_poses(text, names, base, tip, q):
    """Return the poses that MuJoCo computes, its looks stripped and some mass given to it."""
    text = re.sub('<visual>.*?</visual>', '', text)
    given = (
        '<mujoco><compiler fusestatic="false" boundmass="1" boundinertia="1"/></mujoco></robot>'
    )
    model = mujoco.MjSpec.from_string(text.replace('</robot>', given)).compile()
    data, result = mujoco.MjData(model), []
    for row in q:
        for name, angle in zip(names, row, strict=True):
            data.joint(name).qpos = angle
        mujoco.mj_kinematics(model, data)
        poses = []
        for frame in (base, tip):
            pose = np.eye(4)
            body = data.body(frame)
            pose[:3, :3], pose[:3, 3] = body.xmat.reshape(3, 3), body.xpos
            poses.append(pose)
        result.append(np.linalg.inv(poses[0]) @ poses[1])
    return np.array(result)


def test_poses_are_those_of_mujoco_for_the_same_description(arm):
    text, names, base, tip = arm
    q = configurations(names)
    expected = mujoco_poses(text, names, base, tip, q)
    found = chain(*arm)
    np.testing.assert_allclose(found.pose(q), expected, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(found.position(q), expected[:, :3, 3], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize('text', [fr3(), robot_description('base')])
def test_an_fr3s_are_those_of_its_table(text):
    found = chain(text, FR3_JOINTS, 'base', 'fr3_hand_tcp')
    q = np.random.default_rng(2).uniform(FR3_LIMITS.lower, FR3_LIMITS.upper, (200, 7))
    for ours, table in (
        (found.pose(q), kinematics.link_poses(q)[:, -1]),
        (found.position(q), kinematics.forward(q)),
        (found.jacobian(q[0]), kinematics.jacobian(q[0])),
    ):
        np.testing.assert_allclose(ours, table, rtol=0, atol=ROUNDING)


def test_the_jacobian_is_the_derivative_of_the_pose(arm):
    found, q, step = chain(*arm), configurations(arm[1], 1)[0], 1e-6
    jacobian, rotation = found.jacobian(q), found.pose(q)[:3, :3]
    for column, change in enumerate(step * np.eye(len(q))):
        before, after = found.pose(q - change), found.pose(q + change)
        velocity = (after - before) / (2 * step)
        spin = velocity[:3, :3] @ rotation.T
        turning = [spin[2, 1], spin[0, 2], spin[1, 0]]
        expected = [*velocity[:3, 3], *turning]
        np.testing.assert_allclose(jacobian[:, column], expected, atol=1e-8)


def test_many_configurations_at_once_are_those_one_by_one(arm):
    found, q = chain(*arm), configurations(arm[1], 20).reshape(4, 5, -1)
    assert found.position(q).shape == (4, 5, 3) and found.pose(q[:0]).shape == (0, 5, 4, 4)
    np.testing.assert_allclose(found.position(q)[2, 3], found.position(q[2, 3]), atol=ROUNDING)
    np.testing.assert_allclose(found.pose(q)[2, 3], found.pose(q[2, 3]), atol=ROUNDING)
