# SPDX-License-Identifier: Apache-2.0
"""How topics are kept and delivered; sensors as rclpy's `qos_profile_sensor_data` says."""

from __future__ import annotations

from typing import Final

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy


def reliable(depth: int) -> QoSProfile:
    """Return the profile by which nothing is lost on the way, and ``depth`` messages wait."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def latched(depth: int) -> QoSProfile:
    """Return the profile by which who subscribes late is told the last messages too."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


NEWEST: Final = reliable(1)
"""Of what only the newest counts: a command, a chunk, an observation."""

EVERY: Final = reliable(10)
"""Of what each message counts: a status, a press of a button."""

LATCHED: Final = latched(1)
"""Of what holds until the next message: a description, the state of an episode."""

NEWEST_SENSOR: Final = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Of a sensor, or a gamepad, whose newest message alone is looked at."""
