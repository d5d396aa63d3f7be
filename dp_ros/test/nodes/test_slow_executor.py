# SPDX-License-Identifier: Apache-2.0
"""The executor's node where planning, messages or collections are slow: late, never a step."""

import gc
import re
import threading
import time

from dp_ros.control.executor import request as request_module
from dp_ros.nodes.executor import node as node_module
from dp_ros.nodes.executor import planning as planning_module
from dp_ros.ros.conversions import time_to_ns
from dp_ros.sim.judge import judge
from executor_bench import JOINTS, MS, benches
import numpy as np
import pytest
import rclpy


@pytest.fixture
def make(domain_id):
    context = rclpy.Context()
    context.init(domain_id=domain_id)
    with benches(context) as make:
        yield make
    context.try_shutdown()


def slow(monkeypatch, module, name, seconds):
    """Let a function take longer, as on a machine that is busy."""
    function = getattr(module, name)

    def slowed(*args):
        time.sleep(seconds)
        return function(*args)

    monkeypatch.setattr(module, name, slowed)


def slow_planning(monkeypatch, seconds):
    plan = request_module.Request.plan

    def slowed(request):
        time.sleep(seconds)
        return plan(request)

    monkeypatch.setattr(request_module.Request, 'plan', slowed)


def assert_nothing_happened(bench, sent):
    """Check that nothing more was sent and that the arm came to rest without a step."""
    bench.until_at_rest()
    assert len(bench.sent) == sent
    commands = bench.commands()
    assert judge(commands) == []


@pytest.mark.parametrize('what', ['planning', 'message'])
def test_a_chunk_that_is_ready_too_late_is_not_sent_and_its_warning_says_why(
    make, monkeypatch, what
):
    bench = make(max_lead_time=0.3)
    bench.follow()
    bench.until_moving()
    warnings = bench.texts(monkeypatch)
    if what == 'planning':
        slow_planning(monkeypatch, 0.4)
    else:
        slow(monkeypatch, planning_module, 'trajectory_to_msg', 0.4)
    bench.refused(bench.chunk())
    assert bench.status().chunks_late >= 1
    assert 'chunk was ready after' in warnings[0] and 'on a core' in warnings[0]
    text = {'planning': r'planning took (\d+)', 'message': r'and its message (\d+)'}[what]
    assert int(re.search(text, warnings[0])[1]) >= 400
    assert_nothing_happened(bench, len(bench.sent))


def test_the_lead_grows_until_slow_plans_are_followed(make, monkeypatch):
    bench = make(lead_time=0.1, max_lead_time=0.5)
    slow_planning(monkeypatch, 0.12)
    bench.follow()
    assert bench.core_node._core.lead.time > 0.2
    assert bench.core_node._core.counts.late >= 1


def test_a_stop_is_sent_while_a_plan_takes_its_time(make, monkeypatch):
    bench = make()
    bench.follow()
    bench.until_moving()
    held = threading.Event()
    plan = request_module.Request.plan
    monkeypatch.setattr(request_module.Request, 'plan', lambda r: (held.wait(20), plan(r))[1])
    before = len(bench.sent)
    bench.chunks_out.publish(bench.chunk())
    bench.until(lambda: bench.core_node._planning.busy)
    assert bench.call('stop').success
    bench.until(lambda: len(bench.sent) == before + 1)
    held.set()
    bench.until(lambda: not bench.core_node._planning.busy)
    assert_nothing_happened(bench, before + 1)


def test_a_brake_whose_message_is_slow_joins_after_it_is_sent(make, monkeypatch):
    bench = make()
    bench.follow()
    bench.until_moving()
    slow(monkeypatch, node_module, 'trajectory_to_msg', 0.2)
    assert bench.call('stop').success
    bench.until_at_rest()
    commands = bench.commands()
    assert np.ptp(commands, axis=0).max() > 0.01
    assert judge(commands) == []


def test_nothing_is_collected_while_the_arm_moves(make):
    bench = make()
    seen = []

    def watch(phase, info):
        moving = bench.core_node._core.is_moving(bench.now_ns())
        seen.append((moving, info['generation']))

    bench.follow()
    bench.until_moving()
    gc.callbacks.append(watch)
    try:
        bench.until(lambda: any(generation == 2 for _, generation in seen))
    finally:
        gc.callbacks.remove(watch)
    assert not any(moving for moving, _ in seen)


def test_the_status_tells_when_a_chunk_came_was_planned_sent_and_joins(make):
    bench = make()
    bench.follow()
    bench.until(lambda: bench.status().chunks_executed == 1)
    status = bench.status()
    times = [
        time_to_ns(getattr(status, f'chunk_{name}'))
        for name in ('stamp', 'received', 'planned', 'sent', 'join')
    ]
    assert times == sorted(times) and times[0] > 0
    assert times[-1] - times[-2] >= 150 * MS, 'half of the lead is for the delivery'
    assert status.lead_time >= 0.3
    bench.until(lambda: bench.status().delivery_time > 0)


def test_a_trajectory_begins_with_what_the_arm_does_already(make):
    bench = make()
    bench.follow()
    bench.until_moving()
    second = bench.follow()
    status = bench.core_node._core.times
    assert time_to_ns(second.header.stamp) < status.sent_ns < status.join_ns
    assert second.joint_names == JOINTS


def test_a_trajectory_that_its_listeners_acknowledge_after_the_join_is_told(make, monkeypatch):
    bench = make()
    warnings = bench.texts(monkeypatch)
    acknowledged = []
    monkeypatch.setattr(
        type(bench.core_node._commands._publisher),
        'wait_for_all_acked',
        lambda *_: bool(acknowledged),
    )
    bench.follow()
    join_ns = bench.core_node._core.times.join_ns
    bench.until(lambda: bench.now_ns() > join_ns + 20 * MS)
    acknowledged.append(True)
    bench.until(lambda: any('until its join' in text for text in warnings))
    bench.until(lambda: bench.status().delivery_time > 0.15)
