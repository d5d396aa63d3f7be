# SPDX-License-Identifier: Apache-2.0
"""The simulated robot as URDF, so that RViz can draw it."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as Xml

from dp_ros.arrays import Array
from dp_ros.robot.kinematics import JOINT_NAMES, LINK_NAMES, link_poses
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.sim.model import assets
import numpy as np

_MESHES: Final = {f'fr3_link{i}': f'link{i}_vis.dae' for i in range(8)} | {
    'fr3_hand': 'hand_vis.dae'
}


def robot_description(base_frame: str) -> str:
    """Return the URDF of arm and hand, drawn by the meshes of the franky-sim package.

    :param base_frame: name of the root link, to which the arm is fixed.
    """
    robot = Xml.Element('robot', name='fr3')
    if base_frame != LINK_NAMES[0]:
        Xml.SubElement(robot, 'link', name=base_frame)
        _joint(robot, 'base_joint', base_frame, LINK_NAMES[0], np.eye(4))
    for name in LINK_NAMES:
        _link(robot, name)
    poses = link_poses(np.zeros(len(JOINT_NAMES)))
    for index in range(1, len(LINK_NAMES)):
        parent, child = LINK_NAMES[index - 1 : index + 1]
        pose = np.linalg.inv(poses[index - 1]) @ poses[index]
        if index <= len(JOINT_NAMES):
            _joint(robot, JOINT_NAMES[index - 1], parent, child, pose, axis=index - 1)
        else:
            _joint(robot, f'{child}_joint', parent, child, pose)
    Xml.indent(robot)
    return Xml.tostring(robot, encoding='unicode')


def _link(robot: Xml.Element, name: str) -> None:
    link = Xml.SubElement(robot, 'link', name=name)
    if name in _MESHES:
        geometry = Xml.SubElement(Xml.SubElement(link, 'visual'), 'geometry')
        file = assets() / 'meshes' / _MESHES[name]
        Xml.SubElement(geometry, 'mesh', filename=file.as_uri())


def _joint(
    robot: Xml.Element,
    name: str,
    parent: str,
    child: str,
    pose: Array,
    axis: int | None = None,
) -> None:
    """Add a joint; ``axis``: number of an arm's joint, which turns about z; None: fixed."""
    joint = Xml.SubElement(robot, 'joint', name=name, type='fixed' if axis is None else 'revolute')
    Xml.SubElement(joint, 'parent', link=parent)
    Xml.SubElement(joint, 'child', link=child)
    Xml.SubElement(joint, 'origin', xyz=_text(pose[:3, 3]), rpy=_text(_roll_pitch_yaw(pose)))
    if axis is not None:
        Xml.SubElement(joint, 'axis', xyz='0 0 1')
        Xml.SubElement(
            joint,
            'limit',
            lower=str(FR3_LIMITS.lower[axis]),
            upper=str(FR3_LIMITS.upper[axis]),
            velocity=str(FR3_LIMITS.velocity[axis]),
            effort=str(_EFFORT[axis]),
        )


_EFFORT: Final = (87, 87, 87, 87, 12, 12, 12)


def _roll_pitch_yaw(pose: Array) -> tuple[float, float, float]:
    """Return angles about the fixed x, y and z axes; no link has a pitch of 90 degrees."""
    roll = np.arctan2(pose[2, 1], pose[2, 2])
    pitch = np.arcsin(-pose[2, 0])
    yaw = np.arctan2(pose[1, 0], pose[0, 0])
    return float(roll), float(pitch), float(yaw)


def _text(values: Array | tuple[float, ...]) -> str:
    return ' '.join(f'{value:.15g}' for value in values)
