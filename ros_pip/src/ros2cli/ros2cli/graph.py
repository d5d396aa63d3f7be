# SPDX-License-Identifier: Apache-2.0
"""A short-lived node that looks at the ROS graph."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import signal
import time
from typing import Any, NamedTuple

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.topic_or_service_is_hidden import topic_or_service_is_hidden

NODE_NAME_PREFIX = '_ros2cli'
#: Between two looks at the graph [s].
POLL_PERIOD = 0.02
#: A graph that did not change for this long counts as discovered [s].
QUIET_TIME = 0.6
#: A graph without another node for this long counts as empty [s].
EMPTY_TIME = 2.0

NamesAndTypes = list[tuple[str, list[str]]]


class NodeName(NamedTuple):
    """A node in the graph."""

    name: str
    namespace: str

    @property
    def full_name(self) -> str:
        """Namespace and name, with one slash between."""
        return f'{self.namespace.rstrip("/")}/{self.name}'


def add_node_arguments(parser: ArgumentParser) -> None:
    """Add the options of all verbs that look at the graph."""
    parser.add_argument(
        '--spin-time',
        type=float,
        default=4.0,
        help='Longest time in seconds to wait for discovery (default: %(default)s)',
    )
    parser.add_argument(
        '-s', '--use-sim-time', action='store_true', help='Enable ROS simulation time'
    )
    parser.add_argument(
        '--no-daemon', action='store_true', help='Accepted; there never is a daemon here'
    )


@contextmanager
def cli_node(
    args: Namespace | None = None,
    name: str | None = None,
    signals: SignalHandlerOptions = SignalHandlerOptions.ALL,
) -> Iterator[Node]:
    """Give a node of its own ROS context, and end both.

    :raises SystemExit: with SIGTERM's number when that signal came.
    """
    use_sim_time = getattr(args, 'use_sim_time', False)
    rclpy.init(args=[], signal_handler_options=signals)
    try:
        node = rclpy.create_node(
            name or f'{NODE_NAME_PREFIX}_{os.getpid()}',
            start_parameter_services=False,
            parameter_overrides=[
                Parameter('use_sim_time', value=use_sim_time),
                Parameter('start_type_description_service', value=False),
            ],
        )
        yield node
        node.destroy_node()
    except ExternalShutdownException:
        raise SystemExit(int(signal.SIGTERM)) from None
    finally:
        rclpy.try_shutdown()


def wait_until(node: Node, condition: Callable[[], bool], timeout: float) -> bool:
    """Spin until a condition holds; tell whether it did in time [s]."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        rclpy.spin_once(node, timeout_sec=POLL_PERIOD)
    return True


def settle(node: Node, timeout: float) -> None:
    """Spin until nothing new was discovered for a while, or the time is over [s]."""
    seen: Any = None
    changed = time.monotonic()

    def quiet() -> bool:
        nonlocal seen, changed
        now = _everything(node)
        if now != seen:
            seen, changed = now, time.monotonic()
        alone = not now[0]
        return time.monotonic() - changed > (EMPTY_TIME if alone else QUIET_TIME)

    wait_until(node, quiet, timeout)


def _everything(node: Node) -> tuple[Any, ...]:
    """Return nodes, topics and services; other short-lived nodes like this one do not count."""
    names = node.get_node_names_and_namespaces()
    lasting = sorted(pair for pair in names if not pair[0].startswith(NODE_NAME_PREFIX))
    return lasting, node.get_topic_names_and_types(), node.get_service_names_and_types()


def node_names(node: Node, include_hidden: bool = False) -> list[NodeName]:
    """List the nodes of the graph."""
    names = [NodeName(*pair) for pair in node.get_node_names_and_namespaces()]
    return [n for n in names if include_hidden or (n.name and not n.name.startswith('_'))]


def visible(names_and_types: NamesAndTypes, include_hidden: bool) -> NamesAndTypes:
    """Leave out the hidden topics, services or actions."""
    return [
        (name, types)
        for name, types in names_and_types
        if include_hidden or not topic_or_service_is_hidden(name)
    ]


def absolute_name(name: str) -> str:
    """Give a node's name its leading slash."""
    return name if name.startswith('/') else f'/{name}'


def wait_for_node(node: Node, full_name: str, include_hidden: bool, timeout: float) -> bool:
    """Tell whether a node was seen within a time [s]."""
    return wait_until(
        node,
        lambda: full_name in {n.full_name for n in node_names(node, include_hidden)},
        timeout,
    )


def call(node: Node, service_type: type, name: str, request: Any, timeout: float = 5.0) -> Any:
    """Call a service and return its response.

    :raises RuntimeError: for a service that does not come up or answer in time [s].
    """
    client = node.create_client(service_type, name)
    if not wait_until(node, client.service_is_ready, timeout):
        raise RuntimeError(f"Wait for service timed out waiting for '{name}'")
    response = result_of(node, client.call_async(request))
    node.destroy_client(client)
    return response


def result_of(node: Node, future: Any) -> Any:
    """Spin until a future is done and return its result.

    :raises RuntimeError: with what the future failed with.
    """
    while not future.done():
        # A time-out lets Python see a signal that came while it waited.
        rclpy.spin_once(node, timeout_sec=0.1)
    if future.exception() is not None:
        raise RuntimeError(f'Exception while calling service: {future.exception()!r}')
    return future.result()
