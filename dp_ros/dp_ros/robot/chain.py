# SPDX-License-Identifier: Apache-2.0
"""Forward kinematics of any chain of revolute joints, for many configurations at once."""

from __future__ import annotations

from collections.abc import Sequence

from dp_ros.arrays import Array
import numpy as np

_X, _Y, _Z = np.eye(3)


class Chain:
    """Pose of the last frame of a chain in its first one [m].

    Each joint turns by Rodrigues' formula: its transform is
    ``fixed · (constant + cos(q) · cosine + sin(q) · sine)``, and the product with ``fixed``, from
    the joint before, is computed once.

    :param fixed: fixed transforms (4, 4), one before each joint.
    :param axes: unit axes (3,) of the joints, in the frames behind ``fixed``.
    :param last: transform (4, 4) behind the last joint.
    :param columns: indices of the chain's joints among the joint positions, in its order.
    :param n_joints: number of joint positions; those of other joints have no effect.
    """

    def __init__(
        self,
        fixed: Sequence[Array],
        axes: Sequence[Array],
        last: Array,
        columns: Sequence[int],
        n_joints: int,
    ) -> None:
        parts = [_rodrigues(axis) for axis in axes]
        before = np.reshape(fixed, (-1, 1, 4, 4))
        self._parts = before @ np.reshape(parts, (-1, 3, 4, 4))
        self._axes = np.reshape(axes, (-1, 3))
        self._last = last
        self.columns = list(columns)
        self._n_joints = n_joints

    def pose(self, q: Array) -> Array:
        """Homogeneous transforms (..., 4, 4) at joint positions (..., n) [rad]."""
        steps = self._steps(q)
        pose = np.broadcast_to(np.eye(4), (*np.shape(q)[:-1], 4, 4))
        for joint in range(len(self.columns)):
            pose = pose @ steps[..., joint, :, :]
        return np.asarray(pose @ self._last)

    def position(self, q: Array) -> Array:
        """Positions (..., 3) [m] at joint positions (..., n) [rad]."""
        angles = q[..., self.columns]
        cos, sin = np.cos(angles)[..., None], np.sin(angles)[..., None]
        point = np.broadcast_to(self._last[:, 3], (*np.shape(q)[:-1], 4))
        for joint in range(len(self.columns) - 1, -1, -1):
            constant, cosine, sine = self._parts[joint]
            turned = cos[..., joint, :] * (point @ cosine.T) + sin[..., joint, :] * (
                point @ sine.T
            )
            point = point @ constant.T + turned
        return np.asarray(point[..., :3])

    def jacobian(self, q: Array) -> Array:
        """Geometric Jacobian (6, n), linear part first, at one configuration (n,) [rad]."""
        poses = [np.eye(4)]
        for step in self._steps(q):
            poses.append(poses[-1] @ step)
        frames, end = np.array(poses[1:]), poses[-1] @ self._last[:, 3]
        turning = (frames[:, :3, :3] @ self._axes[..., None])[..., 0]
        result = np.zeros((6, self._n_joints))
        result[:3, self.columns] = np.cross(turning, end[:3] - frames[:, :3, 3]).T
        result[3:, self.columns] = turning.T
        return result

    def _steps(self, q: Array) -> Array:
        """Return the transform (..., n, 4, 4) of each joint, with the fixed one before it."""
        angles = q[..., self.columns][..., None, None]
        constant, cosine, sine = self._parts.swapaxes(0, 1)
        return np.asarray(constant + np.cos(angles) * cosine + np.sin(angles) * sine)


def transform(xyz: Array, rpy: Array) -> Array:
    """Transform (4, 4) of a translation (3,) [m] and angles (3,) about the fixed x, y, z [rad]."""
    roll, pitch, yaw = rpy
    pose = turn(_Z, yaw) @ turn(_Y, pitch) @ turn(_X, roll)
    pose[:3, 3] = xyz
    return pose


def turn(axis: Array, angle: float) -> Array:
    """Transform (4, 4) of a turn by an angle [rad] about a unit axis (3,)."""
    constant, cosine, sine = _rodrigues(axis)
    return np.asarray(constant + np.cos(angle) * cosine + np.sin(angle) * sine)


def quaternion(rotation: Array) -> Array:
    """Return the unit quaternion (w, x, y, z) of a rotation (3, 3)."""
    m = np.asarray(rotation, dtype=np.float64)
    trace = float(np.trace(m))
    # Four times the products of every component with each one; the largest row is exact.
    rows = np.array(
        [
            [1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], 1 + 2 * m[0, 0] - trace, m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 + 2 * m[1, 1] - trace, m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 + 2 * m[2, 2] - trace],
        ]
    )
    row = rows[int(np.argmax(np.diag(rows)))]
    return np.asarray(row / np.linalg.norm(row))


def _rodrigues(axis: Array) -> tuple[Array, Array, Array]:
    """Return the parts of a turn about a unit axis: constant, factors of cosine and of sine."""
    x, y, z = axis
    constant, cosine, sine = np.zeros((3, 4, 4))
    constant[:3, :3] = np.outer(axis, axis)
    constant[3, 3] = 1.0
    cosine[:3, :3] = np.eye(3) - constant[:3, :3]
    sine[:3, :3] = [[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]
    return constant, cosine, sine
