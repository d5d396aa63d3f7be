# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test: a ROS context of its own, and waiting with a deadline."""

import random
import socket
import time

import pytest

DOMAINS = range(1, 101)  # Those above have ports that Linux also gives to outgoing connections.


def domain_is_free(domain_id):
    """Say whether nobody has the port that DDS gives to a domain's first participant."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('', 7400 + 250 * domain_id + 10))
        except OSError:
            return False
    return True


@pytest.fixture
def domain_id():
    """Return a domain in which nobody else is heard."""
    return next(d for d in random.sample(DOMAINS, len(DOMAINS)) if domain_is_free(d))


@pytest.fixture
def ros_context(domain_id):
    """Give an initialised Context in a domain of its own; it is shut down after the test."""
    import rclpy

    context = rclpy.Context()
    context.init(domain_id=domain_id)
    yield context
    context.try_shutdown()


@pytest.fixture
def spin_until():
    """Return spin(executor, condition, timeout=60.0), which fails when the time is over."""

    def spin(executor, condition, timeout=60.0):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f'not within {timeout} s'
            executor.spin_once(timeout_sec=0.02)

    return spin
