# SPDX-License-Identifier: Apache-2.0
"""Units of imported joints: the arm's are radians, those of many sources degrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi
from typing import Final

from dp_ros.policy.importing.source import SourceError
import torch
from torch import Tensor

UNITS: Final = ('rad', 'deg', 'other')
"""Units that can be stated; `other` for actions that are no joint positions."""

_FARTHEST: Final = 4 * pi  # [rad]; few joints turn that far, and most do in degrees
_MOTOR: Final = '.pos'
_FINGERS: Final = ('gripper', 'finger')


def check_unit(unit: str, largest: Mapping[str, float], names: Sequence[str]) -> None:
    """Check that the unit is stated where it may not be radians.

    :param largest: largest value of each feature.
    :param names: names of the joints, which tell LeRobot's motors.
    :raises SourceError: with what suggests another unit.
    """
    if unit:
        return
    hint = f'state it by --unit, one of {", ".join(UNITS)}'
    for feature, value in largest.items():
        if value > _FARTHEST:
            raise SourceError(
                f'{feature} reaches {value:.4g}, which may be degrees, or no angle at all: {hint}'
            )
    motors = [name for name in names if name.endswith(_MOTOR)]
    if motors:
        raise SourceError(
            f'{motors[0]} is a motor of LeRobot, often in degrees or in percent of its range: '
            f'{hint}'
        )


def in_radians(
    unit: str, names: Sequence[str], low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a range in radians; of a gripper it stays as it is."""
    if unit != 'deg':
        return low, high
    scale = [1.0 if any(word in name for word in _FINGERS) else pi / 180 for name in names]
    factor = torch.tensor(scale, dtype=low.dtype)
    return low * factor, high * factor
