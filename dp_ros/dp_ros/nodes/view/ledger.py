# SPDX-License-Identifier: Apache-2.0
"""Where the time of a chunk went, from the stamps of its statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dp_ros.robot.units import MS

# What happens until each stamp, in order.
STAGES: Final = (
    ('received', 'observation'),
    ('inference_begun', 'waiting'),
    ('inference_ended', 'inference'),
    ('published', 'publishing'),
    ('chunk_received', 'delivery'),
    ('chunk_planned', 'planning'),
    ('chunk_sent', 'sending'),
    ('chunk_join', 'until it moves the arm'),
)


@dataclass(frozen=True)
class Stage:
    """A part of the time between the observation's stamp and the first motion [ms]."""

    name: str
    milliseconds: float


def stages(stamp_ns: int, times_ns: Mapping[str, int]) -> list[Stage]:
    """Return the parts that are known; a stamp that is missing is part of the next one.

    :param stamp_ns: stamp of the observation.
    :param times_ns: times by name; 0: not known. One that goes back ends the list.
    """
    found, before_ns = [], stamp_ns
    for key, name in STAGES:
        time_ns = times_ns.get(key, 0)
        if not time_ns:
            continue
        if time_ns < before_ns:
            break
        found.append(Stage(name, (time_ns - before_ns) / MS))
        before_ns = time_ns
    return found
