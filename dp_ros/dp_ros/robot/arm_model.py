# SPDX-License-Identifier: Apache-2.0
"""Limits of an arm and pose of its TCP, from the FR3's table or from a robot description.

An arm that is described as an FR3 gets exactly the FR3's table: a description is rounded, and
holds neither accelerations nor how velocity limits shrink near the position limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from dp_ros.arrays import Array
from dp_ros.robot import kinematics
from dp_ros.robot.chain import Chain
from dp_ros.robot.description import WHAT, Description, DescriptionError, some
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.limits import FR3_LIMITS, JointLimits
import numpy as np
from numpy.typing import NDArray

BASE_LINK: Final = 'base'
"""Default base frame; a description without it uses the link of the arm's first joint."""
TOOL_LINK: Final = 'fr3_hand_tcp'
"""Default tool frame; a description without it uses the arm's last link, if there is only one."""

_ROUNDED: Final = 1e-3  # [rad], [rad/s], tolerance of limits, which URDFs round
_SAME_POSE: Final = 1e-4  # [m], [rad], tolerance of poses, which URDFs round too
_SEEN: Final[Array] = np.random.default_rng(0).uniform(FR3_LIMITS.lower, FR3_LIMITS.upper, (16, 7))
# Rows as lower, upper, velocity; of franka_description, robots/fer/joint_limits.yaml.
_PANDA: Final = np.array(
    [
        [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973],
        [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973],
        [2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61],
    ]
)


class Tcp(Protocol):
    """Kinematics of the TCP in the base frame, from joint positions (..., n) [rad]."""

    def position(self, q: Array) -> Array:
        """Return positions (..., 3) [m]."""

    def pose(self, q: Array) -> Array:
        """Return homogeneous transforms (..., 4, 4)."""

    def jacobian(self, q: Array) -> Array:
        """Return the geometric Jacobian (6, n), linear part first, at one configuration (n,)."""


class FrankaHand:
    """The TCP of the Franka Hand on an FR3, from the lengths and angles that Franka publishes.

    :param columns: indices of the FR3's joints among n joint positions.
    """

    def __init__(self, columns: Sequence[int] = range(7), n_joints: int = 7) -> None:
        is_all = tuple(columns) == tuple(range(n_joints))
        self._columns = slice(None) if is_all else list(columns)
        self._n_joints = n_joints

    def position(self, q: Array) -> Array:
        """Return positions (..., 3) [m]."""
        return kinematics.forward(q[..., self._columns])

    def pose(self, q: Array) -> Array:
        """Return homogeneous transforms (..., 4, 4)."""
        return np.asarray(kinematics.link_poses(q[..., self._columns])[..., -1, :, :])

    def jacobian(self, q: Array) -> Array:
        """Return the geometric Jacobian (6, n), linear part first, at one configuration (n,)."""
        result = np.zeros((6, self._n_joints))
        result[:, self._columns] = kinematics.jacobian(q[self._columns])
        return result


@dataclass(frozen=True)
class ArmModel:
    """Everything that is needed to move an arm.

    :param tcp: kinematics of its TCP; joint positions are in the order of the limits.
    :param summary: name of the arm and its frames, in words.
    """

    limits: JointLimits
    tcp: Tcp
    summary: str


FR3: Final = ArmModel(FR3_LIMITS, FrankaHand(), 'an FR3 with the Franka Hand')


def by_name(joint_names: Sequence[str]) -> ArmModel | None:
    """Return the FR3 if the joints have its joints' names, with or without a prefix."""
    return FR3 if _numbers(joint_names) == list(range(7)) else None


def tcp_by_name(joint_names: Sequence[str]) -> Tcp | None:
    """Return the TCP of the FR3 if its joints are among these, under their original names."""
    if not set(JOINT_NAMES) <= set(joint_names):
        return None
    return FrankaHand([joint_names.index(name) for name in JOINT_NAMES], len(joint_names))


def read_arm(text: str, joint_names: Sequence[str], base_frame: str, tool_frame: str) -> ArmModel:
    """Return the arm with these joints that a URDF describes.

    :raises DescriptionError: when it describes no such arm, or an FR3's joints with other limits.
    """
    description = Description(text)
    limits = description.limits(joint_names)
    _check_named(joint_names, limits)
    tcp, frames, moved_by = _tcp(description, joint_names, base_frame, tool_frame)
    idle = [name for name in joint_names if name not in moved_by]
    if idle:
        raise DescriptionError(f'{WHAT}: {frames} is not moved by {", ".join(idle)}')
    is_fr3 = _is_like(limits, _rows(FR3_LIMITS)) and (
        isinstance(tcp, FrankaHand) or by_name(joint_names) is FR3
    )
    if is_fr3 and isinstance(tcp, FrankaHand) and moved_by == tuple(joint_names):
        return FR3
    kind = 'an FR3' if is_fr3 else f'an arm of {len(joint_names)} joints'
    if _is_like(limits, _PANDA):
        kind = 'a Panda'
    return ArmModel(FR3_LIMITS if is_fr3 else limits, tcp, f'{kind}, {frames}')


def read_tcp(text: str, joint_names: Sequence[str], base_frame: str, tool_frame: str) -> Tcp:
    """Return the kinematics that a URDF describes of the arm whose joints are among these.

    :raises DescriptionError: when it describes no such arm.
    """
    return _tcp(Description(text), joint_names, base_frame, tool_frame)[0]


def _tcp(
    description: Description, joint_names: Sequence[str], base_frame: str, tool_frame: str
) -> tuple[Tcp, str, tuple[str, ...]]:
    """Return the kinematics, its frames in words, and the joints that move it, in order."""
    if base_frame == BASE_LINK and base_frame not in description.links:
        base_frame = description.base_of(joint_names)
    if tool_frame == TOOL_LINK and tool_frame not in description.links:
        tool_frame = _only_tip(description, joint_names)
    chain = description.chain(joint_names, base_frame, tool_frame)
    moved_by = tuple(joint_names[column] for column in chain.columns)
    frames = f'tool_frame {tool_frame} in base_frame {base_frame}'
    if not _is_franka_hand(chain, len(joint_names)):
        return chain, frames, moved_by
    return FrankaHand(chain.columns, len(joint_names)), frames, moved_by


def _only_tip(description: Description, joint_names: Sequence[str]) -> str:
    tips = description.tips(joint_names)
    if len(tips) != 1:
        raise DescriptionError(
            f'{WHAT} has no tool_frame {TOOL_LINK}: set it to one of {some(description.links)}'
            + (f', as {" or ".join(tips[:5])}' if tips else '')
        )
    return tips[0]


def _is_franka_hand(chain: Chain, n_joints: int) -> bool:
    if len(chain.columns) != _SEEN.shape[1]:
        return False
    q = np.zeros((len(_SEEN), n_joints))
    q[:, list(chain.columns)] = _SEEN
    return bool(np.abs(chain.pose(q) - FR3.tcp.pose(_SEEN)).max() < _SAME_POSE)


def _check_named(joint_names: Sequence[str], limits: JointLimits) -> None:
    """Check that joints named as an FR3's have its limits.

    :raises DescriptionError: naming all that do not.
    """
    numbers, found, expected = _numbers(joint_names), _rows(limits), _rows(FR3_LIMITS)
    wrong = [
        f'{WHAT} limits {name} to {_text(found[:, column])}: needs {_text(expected[:, number])}'
        for column, (name, number) in enumerate(zip(joint_names, numbers, strict=True))
        if number is not None and not _same(found[:, column], expected[:, number]).all()
    ]
    if wrong and _is_like(limits, _PANDA):
        raise DescriptionError(
            f'{WHAT} has the limits of a Panda under the names of an FR3: describe the arm that '
            'is there, and set joint_names to its joints'
        )
    if wrong:
        raise DescriptionError('; '.join(wrong))


def _numbers(joint_names: Sequence[str]) -> list[int | None]:
    """Return the number of the FR3's joint that each name stands for, or None."""
    found = [[i for i, known in enumerate(JOINT_NAMES) if n.endswith(known)] for n in joint_names]
    return [each[0] if each else None for each in found]


def _rows(limits: JointLimits) -> Array:
    return np.array([limits.lower, limits.upper, limits.velocity])


def _is_like(limits: JointLimits, rows: Array) -> bool:
    found = _rows(limits)
    return found.shape == rows.shape and bool(_same(found, rows).all())


def _same(found: Array, expected: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isclose(found, expected, rtol=0.0, atol=_ROUNDED))


def _text(limit: Array) -> str:
    lower, upper, velocity = limit.tolist()
    return f'{lower:g} … {upper:g} rad, {velocity:g} rad/s'
