# SPDX-License-Identifier: Apache-2.0
"""Forward and inverse kinematics of the FR3, for many configurations at once.

Frames have the names of franka_description; lengths are in metres, angles in radians. The Franka
Hand is mounted, and the TCP is between its finger tips.
"""

from __future__ import annotations

from typing import Final

from dp_ros.arrays import Array
import numpy as np

JOINT_NAMES: Final = tuple(f'fr3_joint{i}' for i in range(1, 8))
FINGER_NAMES: Final = ('fr3_finger_joint1', 'fr3_finger_joint2')
LINK_NAMES: Final = (*(f'fr3_link{i}' for i in range(9)), 'fr3_hand', 'fr3_hand_tcp')

# Craig's Denavit-Hartenberg parameters (a, d, alpha) of joints 1 to 7, as Franka publishes them.
_DH: Final = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -np.pi / 2),
    (0.0, 0.316, np.pi / 2),
    (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0.0, 0.0, np.pi / 2),
    (0.088, 0.0, np.pi / 2),
)
_FLANGE: Final = 0.107
_HAND_ANGLE: Final = -np.pi / 4
_TCP: Final = 0.1034

DOWN: Final[Array] = np.diag([1.0, -1.0, -1.0])
"""Orientation of the TCP when the hand points straight down."""


class UnreachableError(ValueError):
    """No joint positions put the TCP at the pose."""


def link_poses(q: Array) -> Array:
    """Return the poses of ``LINK_NAMES`` in the base frame.

    :param q: (..., 7) joint positions [rad].
    :returns: (..., 11, 4, 4) homogeneous transforms.
    """
    q = np.asarray(q, dtype=np.float64)
    poses = np.empty((*q.shape[:-1], len(LINK_NAMES), 4, 4))
    poses[..., 0, :, :] = np.eye(4)
    for joint, (a, d, alpha) in enumerate(_DH):
        step = _dh(a, d, alpha, q[..., joint])
        poses[..., joint + 1, :, :] = poses[..., joint, :, :] @ step
    zero = np.zeros(())
    poses[..., 8, :, :] = poses[..., 7, :, :] @ _dh(0.0, _FLANGE, 0.0, zero)
    poses[..., 9, :, :] = poses[..., 8, :, :] @ _dh(0.0, 0.0, 0.0, zero + _HAND_ANGLE)
    poses[..., 10, :, :] = poses[..., 9, :, :] @ _dh(0.0, _TCP, 0.0, zero)
    return poses


def forward(q: Array) -> Array:
    """Return TCP positions (..., 3) [m] at joint positions (..., 7) [rad]."""
    return link_poses(q)[..., -1, :3, 3]


def hand_yaw(q: Array) -> float:
    """Return the angle of the hand about the vertical [rad], 0 for a hand `DOWN`."""
    y_axis = link_poses(q)[-1, :2, 1]
    return float(np.arctan2(y_axis[0], -y_axis[1]))


def jacobian(q: Array) -> Array:
    """Return the geometric Jacobian (6, 7) of the TCP, linear part first, at positions (7,)."""
    poses = link_poses(q)
    axes = poses[1:8, :3, 2]
    arms = poses[-1, :3, 3] - poses[1:8, :3, 3]
    return np.concatenate([np.cross(axes, arms).T, axes.T])


def inverse(
    position: Array, near: Array, orientation: Array = DOWN, damping: float = 1e-3
) -> Array:
    """Return joint positions (7,) that put the TCP at a pose, by damped least squares.

    :param position: (3,) position [m]; ``orientation``: (3, 3) rotation matrix.
    :param near: (7,) positions where the search starts; it finds the solution on their branch.
    :raises UnreachableError: when 100 steps do not come within 1 µm and 1 µrad on every axis.
    """
    q = np.array(near, dtype=np.float64)
    for _ in range(100):
        pose = link_poses(q)[-1]
        error = np.concatenate(
            [position - pose[:3, 3], _rotation_vector(orientation @ pose[:3, :3].T)]
        )
        if np.abs(error).max() < 1e-6:
            return q
        jac = jacobian(q)
        q = q + jac.T @ np.linalg.solve(jac @ jac.T + damping**2 * np.eye(6), error)
    raise UnreachableError(f'TCP at {np.round(position, 3).tolist()} m cannot be reached')


def _dh(a: float, d: float, alpha: float, theta: Array) -> Array:
    ct, st = np.cos(theta), np.sin(theta)
    ca, sa = np.cos(alpha), np.sin(alpha)
    matrix = np.zeros((*np.shape(theta), 4, 4))
    matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 3] = ct, -st, a
    matrix[..., 1, 0], matrix[..., 1, 1] = st * ca, ct * ca
    matrix[..., 1, 2], matrix[..., 1, 3] = -sa, -d * sa
    matrix[..., 2, 0], matrix[..., 2, 1] = st * sa, ct * sa
    matrix[..., 2, 2], matrix[..., 2, 3] = ca, d * ca
    matrix[..., 3, 3] = 1.0
    return matrix


def _rotation_vector(rotation: Array) -> Array:
    """Return axis times angle of a rotation matrix, for angles below pi."""
    vector = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    sine = np.linalg.norm(vector) / 2
    angle = np.arctan2(sine, (np.trace(rotation) - 1) / 2)
    return vector / 2 if sine < 1e-9 else vector * (angle / (2 * sine))
