# SPDX-License-Identifier: Apache-2.0
"""Where the time of a chunk went, in the words of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.robot.units import MS
from dp_ros.ros.ledger import EXECUTOR, EXPOSURE, POLICY, Times

_STAGES: Final = {
    POLICY['received']: 'observation',
    POLICY['inference_begun']: 'waiting',
    POLICY['inference_ended']: 'inference',
    POLICY['published']: 'publishing',
    EXECUTOR['chunk_received']: 'delivery',
    EXECUTOR['chunk_planned']: 'planning',
    EXECUTOR['chunk_sent']: 'sending',
    EXECUTOR['chunk_join']: 'until it moves the arm',
}
"""What happens until each point in time, in order."""


@dataclass(frozen=True)
class Stage:
    """A part of the time between the observation's stamp and the first motion [ms]."""

    name: str
    milliseconds: float


def stages(times: Times) -> list[Stage]:
    """Return the parts that are known; one without a time is part of the next one.

    :param times: times of a chunk [ns]. One that goes back ends the list.
    """
    found, before_ns = [], times.get(EXPOSURE, 0)
    for point, name in _STAGES.items():
        if point not in times:
            continue
        time_ns = times[point]
        if time_ns < before_ns:
            break
        found.append(Stage(name, (time_ns - before_ns) / MS))
        before_ns = time_ns
    return found
