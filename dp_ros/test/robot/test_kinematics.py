# SPDX-License-Identifier: Apache-2.0
"""Forward kinematics against MuJoCo's model, inverse kinematics against forward."""

from dp_ros.robot import kinematics
from dp_ros.sim.model import build_model
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.sim.world import READY
import mujoco
import numpy as np
import pytest


def test_link_poses_are_those_of_the_robots_model():
    model = build_model(REACH)
    data = mujoco.MjData(model)
    low, high = model.jnt_range[:7].T
    for q in np.random.default_rng(0).uniform(low, high, (20, 7)):
        data.qpos[:7] = q
        mujoco.mj_forward(model, data)
        poses = kinematics.link_poses(q)
        for name in (*kinematics.LINK_NAMES[:8], 'fr3_hand'):
            body = data.body('hand' if name == 'fr3_hand' else name)
            pose = poses[kinematics.LINK_NAMES.index(name)]
            np.testing.assert_allclose(pose[:3, 3], body.xpos, atol=1e-6)
            np.testing.assert_allclose(pose[:3, :3], body.xmat.reshape(3, 3), atol=1e-6)


def test_many_configurations_at_once_are_those_one_by_one():
    q = np.random.default_rng(1).uniform(-1, 1, (4, 5, 7))
    together = kinematics.forward(q)
    assert together.shape == (4, 5, 3)
    np.testing.assert_allclose(together[2, 3], kinematics.forward(q[2, 3]))


def test_the_jacobian_is_the_derivative_of_the_position():
    q, step = READY, 1e-6
    numeric = [
        (kinematics.forward(q + step * axis) - kinematics.forward(q - step * axis)) / (2 * step)
        for axis in np.eye(7)
    ]
    np.testing.assert_allclose(kinematics.jacobian(q)[:3].T, numeric, atol=1e-8)


@pytest.mark.parametrize('target', [(0.42, 0.0, 0.09), (0.7, 0.16, 0.09), (0.55, -0.14, 0.2)])
def test_inverse_puts_the_hand_there_pointing_down(target):
    pose = kinematics.link_poses(kinematics.inverse(np.array(target), READY))[-1]
    np.testing.assert_allclose(pose[:3, 3], target, atol=2e-6)
    np.testing.assert_allclose(pose[:3, :3], kinematics.DOWN, atol=2e-6)


def test_a_point_out_of_reach_is_named():
    with pytest.raises(kinematics.UnreachableError, match=r'1\.5'):
        kinematics.inverse(np.array([1.5, 0.0, 0.1]), READY)
