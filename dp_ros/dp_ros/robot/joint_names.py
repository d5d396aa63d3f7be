# SPDX-License-Identifier: Apache-2.0
"""Selection of joints by name from messages that hold them in any order, among others."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Final

from dp_ros.arrays import Array
import numpy as np

FARTHEST: Final = 1e12
"""Largest position that is accepted [rad or m]; computing with a larger one may overflow."""


def in_order(
    wanted: Sequence[str],
    names: Sequence[str],
    positions: Sequence[float],
    setting: str = 'joint_names',
) -> Array:
    """Return the positions (n_wanted,) of a joint state [rad or m].

    :param setting: name of the parameter that holds the wanted joints, for errors.
    :raises ValueError: when one is missing, named twice, or has no finite position.
    """
    order = {name: index for index, name in enumerate(names)}
    missing = [name for name in wanted if name not in order]
    if missing:
        hint = renamed(missing, names, setting)
        raise ValueError(f'no {", ".join(missing)} among {list(names)}{hint}')
    if len(positions) != len(names):
        raise ValueError(f'{len(names)} names, {len(positions)} positions')
    if len(order) < len(names):
        twice = [name for name in wanted if list(names).count(name) > 1]
        if twice:
            raise ValueError(f'{", ".join(twice)} is named more than once')
    values = np.array([positions[order[name]] for name in wanted], dtype=np.float64)
    for name, value in zip(wanted, values.tolist(), strict=True):
        if not math.isfinite(value):
            raise ValueError(f'position of {name} is not finite: {value}')
        if abs(value) > FARTHEST:
            raise ValueError(f'position of {name} is {value:g}: no joint goes that far')
    return values


def renamed(wanted: Sequence[str], given: Sequence[str], setting: str = 'joint_names') -> str:
    """Return a hint where a wanted joint is given under another prefix; else ''."""
    for name in given:
        if name and (name.endswith(wanted[0]) or wanted[0].endswith(name)):
            return f': is {wanted[0]} the same as {name}? Then set {setting} to these names'
    return ''
