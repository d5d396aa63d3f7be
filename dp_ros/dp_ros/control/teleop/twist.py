# SPDX-License-Identifier: Apache-2.0
"""Velocities of the TCP as velocities of the joints, by damped least squares."""

from __future__ import annotations

from typing import Final

from dp_ros.arrays import Array
from dp_ros.robot.arm_model import ArmModel, Tcp
import numpy as np

_SINGULAR: Final = 0.1  # Smallest singular value that needs no damping.
_DAMPING: Final = 0.1
_CENTRING: Final = 0.3  # [1/s]


def joint_velocity(model: ArmModel, q: Array, twist: Array) -> Array:
    """Return joint velocities (n,) [rad/s] that come closest to a twist of the TCP.

    They are damped only near singularities; elsewhere an arm with six or more joints gives the
    twist exactly. The motion that leaves the TCP in place, that of the elbow, goes towards the
    middle of the joints' ranges.
    Source: Nakamura and Hanafusa 1986; the damping as in Chiaverini 1997, equation 12; the middle
    as in Liegeois 1977.

    :param q: (n,) joint positions [rad].
    :param twist: (6,) in the base frame: linear [m/s], then angular [rad/s].
    """
    u, singular, vt = np.linalg.svd(model.tcp.jacobian(q), full_matrices=False)
    share = min(1.0, float(singular[-1]) / _SINGULAR)
    damping = (1 - share**2) * _DAMPING**2
    gain = singular / (singular**2 + damping)
    middle = (model.limits.lower + model.limits.upper) / 2
    back = _CENTRING * (middle - q)
    return np.asarray(vt.T @ (gain * (u.T @ twist) - vt @ back) + back)


def from_tool(tcp: Tcp, q: Array, twist: Array) -> Array:
    """Rotate a twist (6,) from the directions of the TCP to those of the base."""
    rotation = tcp.pose(q)[:3, :3]
    return np.concatenate([rotation @ twist[:3], rotation @ twist[3:]])


def clamped(twist: Array, max_linear: float, max_angular: float) -> Array:
    """Return the twist (6,) slowed to the limits [m/s], [rad/s], in the same direction."""
    excess = max(
        1.0,
        float(np.linalg.norm(twist[:3])) / max_linear,
        float(np.linalg.norm(twist[3:])) / max_angular,
    )
    return twist / excess
