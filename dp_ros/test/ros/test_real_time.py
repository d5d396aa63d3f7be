# SPDX-License-Identifier: Apache-2.0
"""Real-time priority and locked memory are used where they are allowed, and it is said."""

import os
import resource

from dp_ros.ros import real_time
import pytest


@pytest.fixture
def limits(monkeypatch):
    values = {resource.RLIMIT_RTPRIO: 0, resource.RLIMIT_MEMLOCK: 8 << 20}
    monkeypatch.setattr(real_time.resource, 'getrlimit', lambda what: (values[what],) * 2)
    return values


@pytest.fixture
def asked(monkeypatch):
    asked = []
    monkeypatch.setattr(
        os, 'sched_setscheduler', lambda pid, how, p: asked.append((how, p.sched_priority))
    )
    return asked


def test_without_limits_that_allow_it_nothing_is_asked_for(limits, asked):
    assert real_time.ask_for_real_time() == (
        'real time: no priority (ulimit -r is 0); memory not locked (ulimit -l is 8192, not '
        'unlimited)'
    )
    assert asked == []


@pytest.mark.parametrize(
    ('allowed', 'priority'), [(10, 10), (99, 40), (resource.RLIM_INFINITY, 40)]
)
def test_an_allowed_priority_is_taken(limits, asked, allowed, priority):
    limits[resource.RLIMIT_RTPRIO] = allowed
    assert f'priority {priority} of SCHED_FIFO' in real_time.ask_for_real_time()
    assert asked == [(os.SCHED_FIFO, priority)]


def test_a_refusal_is_said_and_no_error(limits, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, 'Operation not permitted')

    limits[resource.RLIMIT_RTPRIO] = 99
    monkeypatch.setattr(os, 'sched_setscheduler', refuse)
    assert 'no priority (Operation not permitted)' in real_time.ask_for_real_time()
