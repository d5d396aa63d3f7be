# SPDX-License-Identifier: Apache-2.0
"""Calls of other nodes' services from coroutines, without blocking the executor.

A coroutine keeps the callback group of its own callback busy: whatever it waits for has to be in
another group.
"""

from __future__ import annotations

from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.task import Future


class Unanswered(RuntimeError):
    """Another node did not do what it was asked to do; the message says what to do."""


def setting(name: str, value: Any) -> SetParameters.Request:
    """Return the request that sets one parameter."""
    return SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])


async def within(node: Node, seconds: float, future: Future) -> Any:
    """Return the result of a future.

    :raises TimeoutError: when there is none within ``seconds``.
    """
    either = Future()
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    timer = node.create_timer(seconds, lambda: either.set_result(None), clock=steady)
    future.add_done_callback(either.set_result)
    await either
    node.destroy_timer(timer)
    if not future.done():
        future.cancel()
        raise TimeoutError
    return future.result()


async def pause(node: Node, seconds: float) -> None:
    """Wait for ``seconds``; other callbacks run meanwhile."""
    try:
        await within(node, seconds, Future())
    except TimeoutError:
        return


async def ask(node: Node, seconds: float, client: Client, request: Any) -> Any:
    """Call a service and return its answer.

    :raises Unanswered: when there is no service, or no answer within ``seconds``.
    """
    name = node.resolve_service_name(client.srv_name)
    if not client.service_is_ready():
        raise Unanswered(f'there is no service {name}')
    try:
        return await within(node, seconds, client.call_async(request))
    except TimeoutError:
        raise Unanswered(f'{name} does not answer within {seconds:g} s') from None
