# SPDX-License-Identifier: Apache-2.0
"""Ask another node from a coroutine, and wait for the answer without holding up the executor.

A coroutine keeps the callback group of its own callback busy: what it waits for is to be in
another one.
"""

from __future__ import annotations

from typing import Any

from rclpy.client import Client
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.task import Future


class Unanswered(RuntimeError):
    """Another node did not do what it was asked for; the message says what to do."""


async def within(node: Node, seconds: float, future: Future) -> Any:
    """Return what the future brings.

    :raises TimeoutError: when it brings nothing for so long.
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
    """Let others work for a while."""
    try:
        await within(node, seconds, Future())
    except TimeoutError:
        return


async def ask(node: Node, seconds: float, client: Client, request: Any) -> Any:
    """Return the answer of a service.

    :raises Unanswered: when there is none in time.
    """
    name = node.resolve_service_name(client.srv_name)
    if not client.service_is_ready():
        raise Unanswered(f'there is no service {name}')
    try:
        return await within(node, seconds, client.call_async(request))
    except TimeoutError:
        raise Unanswered(f'{name} does not answer within {seconds:g} s') from None
