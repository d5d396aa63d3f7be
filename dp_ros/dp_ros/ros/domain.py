# SPDX-License-Identifier: Apache-2.0
"""Discovery is limited to this machine unless the environment sets another range.

By ROS's default, discovery reaches the whole network, so that other people on it can command the
arm. This module does not import rclpy: launch files use it too.
"""

from __future__ import annotations

from collections.abc import MutableMapping
import logging
import os
from typing import Any

RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
PEERS = 'ROS_STATIC_PEERS'
_FINDERS = {
    'SUBNET': 'every computer of this network, which can command the arm too',
    'SYSTEM_DEFAULT': 'everyone whom the configuration of the middleware admits',
    'OFF': 'nobody',
}


def keep_to_this_machine(environment: MutableMapping[str, str] = os.environ) -> None:
    """Limit discovery to this machine if the environment sets no range; call before rclpy.init."""
    environment[RANGE] = environment.get(RANGE) or 'LOCALHOST'


def settle_domain(context: Any) -> None:
    """Limit discovery for everything a launch starts, and log its range once (OpaqueFunction)."""
    if context.launch_configurations.get('domain_is_settled'):  # Done by an including file.
        return
    context.launch_configurations['domain_is_settled'] = 'true'
    keep_to_this_machine(context.environment)
    logging.getLogger('launch').info(who_finds_this(context.environment))


def who_finds_this(environment: MutableMapping[str, str] = os.environ) -> str:
    """Return a text with the domain, the range of discovery, and who finds the nodes."""
    domain = f'ROS domain {environment.get("ROS_DOMAIN_ID") or 0}'
    middleware = environment.get('RMW_IMPLEMENTATION', '')
    if 'zenoh' in middleware:
        return f'{domain} of {middleware}: found by whomever its routers connect'
    only_here = environment.get('ROS_LOCALHOST_ONLY') == '1'  # Deprecated; overrides others.
    reach = 'LOCALHOST' if only_here else environment.get(RANGE) or 'SUBNET'
    peers = '' if only_here else environment.get(PEERS, '')
    named = f' and {PEERS} {peers}' if peers else ''
    return f'{domain}, discovery {reach}{named}: found by {_finders(reach, peers)}'


def _finders(reach: str, peers: str) -> str:
    """Return who finds the nodes; rcl takes an unknown range for LOCALHOST, and warns."""
    if reach in _FINDERS:
        return _FINDERS[reach]
    named = f'{peers}, ' if peers else ''
    return f'this machine, {named}and hosts that name it in their {PEERS}'
