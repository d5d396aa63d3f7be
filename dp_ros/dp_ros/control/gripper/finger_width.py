# SPDX-License-Identifier: Apache-2.0
"""Conversion between a gripper's own number and the width between its fingers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from dp_ros.arrays import Array
from dp_ros.robot.trajectory import Trajectory
import numpy as np

Number = TypeVar('Number', float, Array)

OVERSHOOT: Final = 0.1
"""Distance beyond closed and open that a target may have, as a policy's do [strokes]."""


class TargetRefused(ValueError):
    """A target is not followed; the message says why."""


@dataclass(frozen=True)
class WidthScale:
    """Meaning of a gripper's number, linear between closed (width 0) and open.

    | number | closed | open | stroke [m] |
    |---|---|---|---|
    | position of each finger of the Franka Hand [m] | 0 | 0.04 | 0.08 |
    | full width [m] | 0 | 0.08 | 0.08 |
    | knuckle angle of a 2F-85 [rad] | 0.8 | 0 | 0.085 |

    :param closed: number of the closed gripper; ``open``: of the open one.
    :param stroke: width between the fingers when open [m].
    """

    closed: float
    open: float
    stroke: float

    def __post_init__(self) -> None:
        if self.closed == self.open:
            raise ValueError(f'closed and open are both {self.open}: need two different numbers')

    def width(self, number: Number) -> Number:
        """Return the width between the fingers [m]."""
        return (number - self.closed) / (self.open - self.closed) * self.stroke

    def number(self, width: float) -> float:
        """Return the gripper's number for a width [m]."""
        return self.closed + width / self.stroke * (self.open - self.closed)


def target_widths(target: Trajectory, fingers: tuple[str, ...], scale: WidthScale) -> Array:
    """Return the widths (n_points,) [m] that a target asks for; several fingers give their mean.

    :raises TargetRefused: where names, shape or widths do not fit.
    """
    unknown = [name for name in target.joint_names if name not in fingers]
    if unknown or not target.joint_names:
        raise TargetRefused(f'joints {list(target.joint_names)}: needs {list(fingers)}')
    if len(set(target.joint_names)) < len(target.joint_names):
        raise TargetRefused(f'joints {list(target.joint_names)}: one is named twice')
    if not len(target.times):
        raise TargetRefused('no points')
    shape = (len(target.times), len(target.joint_names))
    if target.positions.shape != shape:
        raise TargetRefused(f'positions of shape {target.positions.shape}: needs {shape}')
    widths = scale.width(target.positions.mean(axis=1))
    margin = OVERSHOOT * scale.stroke
    outside = ~((widths >= -margin) & (widths <= scale.stroke + margin))
    if outside.any():
        raise TargetRefused(
            f'width {widths[outside][0]:.4g} m: needs 0 to {scale.stroke:g} m; '
            f'are the numbers of {list(fingers)} {scale.closed:g} closed and {scale.open:g} open?'
        )
    return np.clip(widths, 0.0, scale.stroke)
