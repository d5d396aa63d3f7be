# SPDX-License-Identifier: Apache-2.0
"""Who finds a node: this machine unless told otherwise by name, and the first line says so."""

import os
import signal
import subprocess
import time

from dp_ros.ros.domain import keep_to_this_machine, who_finds_this
import pytest

RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
DEADLINE = 60.0


@pytest.mark.parametrize(
    ('given', 'kept'), [(None, 'LOCALHOST'), ('', 'LOCALHOST'), ('SUBNET', 'SUBNET')]
)
def test_a_range_is_set_only_where_none_is(given, kept):
    environment = {} if given is None else {RANGE: given}
    keep_to_this_machine(environment)
    assert environment[RANGE] == kept


@pytest.mark.parametrize(
    ('environment', 'said'),
    [
        (
            {RANGE: 'LOCALHOST'},
            'ROS domain 0, discovery LOCALHOST: found by this machine, and hosts that name it in '
            'their ROS_STATIC_PEERS',
        ),
        (
            {RANGE: 'LOCALHOST', 'ROS_DOMAIN_ID': '7', 'ROS_STATIC_PEERS': '10.0.0.2'},
            'ROS domain 7, discovery LOCALHOST and ROS_STATIC_PEERS 10.0.0.2: found by this '
            'machine, 10.0.0.2, and hosts that name it in their ROS_STATIC_PEERS',
        ),
        (
            {},
            'ROS domain 0, discovery SUBNET: found by every computer of this network, which can '
            'command the arm too',
        ),
        ({RANGE: 'OFF'}, 'ROS domain 0, discovery OFF: found by nobody'),
        (
            {RANGE: 'SUBNET', 'ROS_LOCALHOST_ONLY': '1', 'ROS_STATIC_PEERS': '10.0.0.2'},
            'ROS domain 0, discovery LOCALHOST: found by this machine, and hosts that name it in '
            'their ROS_STATIC_PEERS',
        ),
        (
            {RANGE: 'LOCALHOST', 'RMW_IMPLEMENTATION': 'rmw_zenoh_cpp'},
            'ROS domain 0 of rmw_zenoh_cpp: found by whomever its routers connect',
        ),
    ],
)
def test_it_is_said_who_finds_this(environment, said):
    assert who_finds_this(environment) == said


@pytest.mark.parametrize(
    ('given', 'first'),
    [
        ({}, 'discovery LOCALHOST: found by this machine, and'),
        ({RANGE: 'SUBNET'}, 'discovery SUBNET: found by every computer of this network'),
    ],
)
def test_the_first_line_of_a_node_says_it(domain_id, given, first):
    environment = {k: v for k, v in os.environ.items() if k != RANGE}
    node = subprocess.Popen(
        ['ros2', 'run', 'dp_ros', 'fake_gripper'],
        env={**environment, 'ROS_DOMAIN_ID': str(domain_id), **given},
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + DEADLINE
    try:
        line = node.stderr.readline()
        assert f'ROS domain {domain_id}, {first}' in line
        assert time.monotonic() < end
        node.send_signal(signal.SIGINT)
        assert node.wait(DEADLINE) == 0
    finally:
        node.kill()
        node.wait()
        node.stderr.close()
