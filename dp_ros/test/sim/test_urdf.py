# SPDX-License-Identifier: Apache-2.0
"""The URDF says the same as the kinematics, and its meshes exist."""

from pathlib import Path
from urllib.parse import urlparse
from xml.etree import ElementTree as Xml

from dp_ros.robot.kinematics import JOINT_NAMES, LINK_NAMES, link_poses
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.sim.urdf import robot_description
import numpy as np
import pytest


@pytest.fixture(scope='module')
def robot():
    return Xml.fromstring(robot_description('base'))


def turn(axis, angle):
    c, s = np.cos(angle), np.sin(angle)
    i, j = {'x': (1, 2), 'y': (2, 0), 'z': (0, 1)}[axis]
    pose = np.eye(4)
    pose[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
    return pose


def origin(joint):
    element = joint.find('origin')
    roll, pitch, yaw = map(float, element.get('rpy').split())
    pose = turn('z', yaw) @ turn('y', pitch) @ turn('x', roll)
    pose[:3, 3] = [float(v) for v in element.get('xyz').split()]
    return pose


def test_its_links_are_where_the_kinematics_put_them(robot):
    q = np.random.default_rng(0).uniform(FR3_LIMITS.lower, FR3_LIMITS.upper)
    angles = dict(zip(JOINT_NAMES, q, strict=True))
    poses = {'base': np.eye(4)}
    for joint in robot.findall('joint'):
        parent = poses[joint.find('parent').get('link')]
        moved = turn('z', angles.get(joint.get('name'), 0.0))
        poses[joint.find('child').get('link')] = parent @ origin(joint) @ moved
    for name, pose in zip(LINK_NAMES, link_poses(q), strict=True):
        np.testing.assert_allclose(poses[name], pose, atol=1e-5)


def test_every_joint_connects_links_that_there_are(robot):
    links = [link.get('name') for link in robot.findall('link')]
    assert sorted(links) == sorted(['base', *LINK_NAMES])
    children = [joint.find('child').get('link') for joint in robot.findall('joint')]
    assert sorted(children) == sorted(LINK_NAMES)


def test_its_meshes_are_files(robot):
    files = [mesh.get('filename') for mesh in robot.iter('mesh')]
    assert len(files) == 9
    assert all(Path(urlparse(file).path).is_file() for file in files)


def test_the_base_may_be_the_first_link():
    robot = Xml.fromstring(robot_description(LINK_NAMES[0]))
    assert [link.get('name') for link in robot.findall('link')] == list(LINK_NAMES)
