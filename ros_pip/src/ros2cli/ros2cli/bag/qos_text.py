# SPDX-License-Identifier: Apache-2.0
"""Quality of service between rclpy and the metadata of a bag."""

from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.qos import (
    HistoryPolicy,
    QoSDurabilityPolicy,
    QoSLivelinessPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

NS = 1_000_000_000
DEFAULT_DEPTH = 10


def to_bag(profile: QoSProfile) -> Qos:
    """Turn an endpoint's profile into what a bag stores."""
    return Qos(
        QosHistory[profile.history.name],
        profile.depth,
        QosReliability[profile.reliability.name],
        QosDurability[profile.durability.name],
        _time(profile.deadline),
        _time(profile.lifespan),
        QosLiveliness[profile.liveliness.name],
        _time(profile.liveliness_lease_duration),
        profile.avoid_ros_namespace_conventions,
    )


def to_publisher(offers: Sequence[Qos]) -> QoSProfile | None:
    """Return the profile to play a topic with, or None where its publishers did not agree."""
    if not offers:
        return QoSProfile(depth=DEFAULT_DEPTH)
    first, *others = [offer._replace(history=QosHistory.KEEP_LAST, depth=0) for offer in offers]
    if any(other != first for other in others):
        return None
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=DEFAULT_DEPTH,
        reliability=QoSReliabilityPolicy[first.reliability.name],
        durability=QoSDurabilityPolicy[first.durability.name],
        deadline=_duration(first.deadline),
        lifespan=_duration(first.lifespan),
        liveliness=QoSLivelinessPolicy[first.liveliness.name],
        liveliness_lease_duration=_duration(first.liveliness_lease_duration),
    )


def _time(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, NS))


def _duration(time: QosTime) -> Duration:
    # Writers differ in how they round "infinite"; a Duration holds 63 bits.
    return Duration(nanoseconds=min(time.sec * NS + time.nsec, 2**63 - 1))
