# SPDX-License-Identifier: Apache-2.0
"""A coroutine asks another node and gets its answer, or what is wrong, in time."""

from dp_ros.ros.asking import Unanswered, ask, pause
import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger


@pytest.fixture
def node(ros_context):
    node = Node('asking', context=ros_context, namespace='ns')
    yield node
    node.destroy_node()


@pytest.fixture
def run(node, spin_until):
    """Return run(coroutine), which gives its result or raises its exception."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    def run_to_its_end(coroutine):
        async def caught():
            try:
                return await coroutine
            except Unanswered as error:
                return error

        task = executor.create_task(caught())
        spin_until(executor, task.done, timeout=30)
        return task.result()

    return run_to_its_end


def serve(node, callback, name='service'):
    """Serve under a name in a group of its own, and return a client that sees it."""
    group = MutuallyExclusiveCallbackGroup()
    node.create_service(Trigger, name, callback, callback_group=group)
    client = node.create_client(Trigger, name)
    assert client.wait_for_service(timeout_sec=30)
    return client


def test_the_answer_is_returned(node, run):
    def callback(request, response):
        response.message = 'yes'
        return response

    client = serve(node, callback)
    assert run(ask(node, 30.0, client, Trigger.Request())).message == 'yes'
    assert list(node.timers) == []


def test_a_service_that_never_answers_is_given_up(node, run):
    async def never(request, response):
        await Future()

    client = serve(node, never)
    error = run(ask(node, 0.2, client, Trigger.Request()))
    assert str(error) == '/ns/service does not answer within 0.2 s'
    assert list(node.timers) == []


def test_a_service_that_is_not_there_is_named(node, run):
    client = node.create_client(Trigger, 'nowhere')
    error = run(ask(node, 0.2, client, Trigger.Request()))
    assert str(error) == 'there is no service /ns/nowhere'


def test_others_work_during_a_pause(node, run):
    ticks = []
    node.create_timer(0.01, lambda: ticks.append(1))
    run(pause(node, 0.3))
    assert len(ticks) > 3
