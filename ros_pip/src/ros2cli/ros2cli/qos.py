# SPDX-License-Identifier: Apache-2.0
"""Quality of service: options of the command line, and what fits the publishers there are."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSLivelinessPolicy,
    QoSPolicyEnum,
    QoSPresetProfiles,
    QoSProfile,
    QoSReliabilityPolicy,
)

#: Policies that an option sets: attribute of the profile, its values.
_POLICIES: dict[str, type[QoSPolicyEnum]] = {
    'history': QoSHistoryPolicy,
    'reliability': QoSReliabilityPolicy,
    'durability': QoSDurabilityPolicy,
    'liveliness': QoSLivelinessPolicy,
}


def add_qos_arguments(parser: ArgumentParser, default_profile: str) -> None:
    """Add the options that make up a profile."""
    parser.add_argument(
        '--qos-profile',
        choices=QoSPresetProfiles.short_keys(),
        default=default_profile,
        help='Quality of service preset profile (default: %(default)s)',
    )
    parser.add_argument('--qos-depth', metavar='N', type=int, help='Queue size')
    for policy, values in _POLICIES.items():
        parser.add_argument(
            f'--qos-{policy}', choices=values.short_keys(), help=f'Quality of service {policy}'
        )
    parser.add_argument(
        '--qos-liveliness-lease-duration-seconds',
        type=float,
        help='Quality of service liveliness lease duration',
    )


def is_given(args: Namespace) -> bool:
    """Tell whether the command line says more than the preset profile."""
    names = [*_POLICIES, 'depth', 'liveliness_lease_duration_seconds']
    return any(getattr(args, f'qos_{name}') is not None for name in names)


def profile_of(args: Namespace) -> QoSProfile:
    """Build the profile that the command line asks for."""
    profile = QoSPresetProfiles.get_from_short_key(args.qos_profile)
    for policy, values in _POLICIES.items():
        key = getattr(args, f'qos_{policy}')
        if key:
            setattr(profile, policy, values.get_from_short_key(key))
    lease = args.qos_liveliness_lease_duration_seconds
    if lease and lease >= 0:
        profile.liveliness_lease_duration = Duration(seconds=lease)
    if args.qos_depth and args.qos_depth >= 0:
        profile.depth = args.qos_depth
    elif profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL and profile.depth == 0:
        profile.depth = 1
    return profile


def adapt(profile: QoSProfile, node: Node, topic: str) -> list[str]:
    """Make a subscription's profile fit all publishers of a topic.

    :returns: warnings about publishers that offer more than is asked for.
    """
    offered = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    if not offered:
        return []
    warnings: list[str] = []
    profile.reliability = _common(
        [offer.reliability for offer in offered],
        QoSReliabilityPolicy.RELIABLE,
        QoSReliabilityPolicy.BEST_EFFORT,
        warnings,
    )
    profile.durability = _common(
        [offer.durability for offer in offered],
        QoSDurabilityPolicy.TRANSIENT_LOCAL,
        QoSDurabilityPolicy.VOLATILE,
        warnings,
    )
    return warnings


def _common(
    offers: Sequence[QoSPolicyEnum],
    stronger: QoSPolicyEnum,
    weaker: QoSPolicyEnum,
    warnings: list[str],
) -> QoSPolicyEnum:
    if all(offer == stronger for offer in offers):
        return stronger
    if stronger in offers:
        kind = type(stronger).__name__
        warnings.append(
            f'Some, but not all, publishers are offering {kind}.{stronger.name}. Falling back to '
            f'{kind}.{weaker.name} as it will connect to all publishers'
        )
    return weaker
