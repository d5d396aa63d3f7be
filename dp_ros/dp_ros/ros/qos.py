# SPDX-License-Identifier: Apache-2.0
"""QoS profiles of the topics; sensors use rclpy's `qos_profile_sensor_data`."""

from __future__ import annotations

from typing import Final

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy


def reliable(depth: int) -> QoSProfile:
    """Return a reliable, volatile profile in which ``depth`` messages wait."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def latched(depth: int) -> QoSProfile:
    """Return a reliable profile that gives the last ``depth`` messages to late subscribers."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


NEWEST: Final = reliable(1)
"""Profile where only the newest message counts: a command, a chunk, an observation."""

EVERY: Final = reliable(10)
"""Profile where each message counts: a status, a press of a button."""

LATCHED: Final = latched(1)
"""Profile of what holds until the next message: a description, the state of an episode."""

NEWEST_SENSOR: Final = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Profile of a sensor or a gamepad of which only the newest message is read."""

FEW_SENSOR: Final = QoSProfile(depth=4, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Profile of a sensor whose newest message counts, among those of others on its topic."""

EVERY_SENSOR: Final = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Profile of a sensor that is read now and then, each message of it: a second at 1 kHz."""
