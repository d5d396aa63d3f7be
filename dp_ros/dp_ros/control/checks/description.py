# SPDX-License-Identifier: Apache-2.0
"""Whether the arm that a URDF describes is the one whose limits commands are kept to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from dp_ros.arrays import Array
from dp_ros.robot.joint_names import renamed
from dp_ros.robot.limits import JointLimits
import numpy as np
from numpy.typing import NDArray

_TOLERANCE: Final = 1e-3  # [rad], [rad/s]; URDFs are rounded
_ATTRIBUTES: Final = ('lower', 'upper', 'velocity')
# Rows as _ATTRIBUTES; of franka_description, robots/fer/joint_limits.yaml.
_PANDA: Final = np.array(
    [
        [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973],
        [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973],
        [2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61],
    ]
)


def description_misfits(
    urdf: str, joint_names: Sequence[str], limits: JointLimits
) -> tuple[str, ...]:
    """Say what of a robot description does not fit the joints of the arm and their limits."""
    try:
        joints = _read_limits(urdf)
    except (Xml.ParseError, ValueError) as error:
        return (f'robot_description cannot be read: {error}',)
    missing = [name for name in joint_names if name not in joints]
    if missing:
        return (
            f'robot_description has no joint {", ".join(missing)}, it has {sorted(joints)}'
            f'{renamed(missing, list(joints))}',
        )
    found = np.array([joints[name] for name in joint_names]).T
    expected = np.array([limits.lower, limits.upper, limits.velocity])
    wrong = np.flatnonzero(~_same(found, expected).all(axis=0)).tolist()
    if len(wrong) == 0:
        return ()
    if _same(found, _PANDA).all():
        return ('robot_description has the limits of a Panda: the policy and dp_ros drive an FR3',)
    return tuple(
        f'robot_description limits {joint_names[joint]} to {_text(found[:, joint])}: '
        f'needs {_text(expected[:, joint])}'
        for joint in wrong
    )


def _read_limits(urdf: str) -> Mapping[str, tuple[float, ...]]:
    """Return lower [rad], upper [rad] and velocity [rad/s] of every joint that moves."""
    return {
        joint.get('name', ''): _limit(joint)
        for joint in Xml.fromstring(urdf).findall('joint')
        if joint.get('type') != 'fixed'
    }


def _limit(joint: Xml.Element) -> tuple[float, ...]:
    limit = joint.find('limit')
    given = {} if limit is None else limit.attrib
    return tuple(float(given.get(name, 'nan')) for name in _ATTRIBUTES)


def _same(found: Array, expected: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isclose(found, expected, rtol=0.0, atol=_TOLERANCE))


def _text(limit: Array) -> str:
    lower, upper, velocity = limit.tolist()
    return f'{lower:g} … {upper:g} rad, {velocity:g} rad/s'
