# SPDX-License-Identifier: Apache-2.0
"""Topics, services and actions of each node, read from the running nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import importlib
import tempfile
import time
from types import ModuleType
from typing import Any, NamedTuple

from dp_ros.ros.parameters import ParameterTable
import rclpy
from rclpy.action import (
    ActionClient,
    ActionServer,
    get_action_client_names_and_types_by_node,
    get_action_server_names_and_types_by_node,
)
from rclpy.logging import get_logger_effective_level, set_logger_level
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

Actions = list[tuple[str, list[str]]]

NAMESPACE = '/inside'
# Interfaces of every node: parameters, lifecycle, logging, simulated time.
COMMON_TYPES = ('rcl_interfaces', 'lifecycle_msgs', 'type_description_interfaces')
COMMON_NAMES = ('/clock',)
DISCOVERY_TIMEOUT = 30.0


class Interface(NamedTuple):
    """One topic, service or action of a node."""

    role: str
    name: str
    kind: str
    quality: str


def node_interfaces(table: ParameterTable) -> list[Interface]:
    """Start a node with its default parameters, in an empty folder; return its interfaces."""
    context, level = rclpy.Context(), get_logger_effective_level('')
    rclpy.init(context=context, args=['--ros-args', '--log-level', 'error'])
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        node = _start(table, context)
        try:
            return list(_interfaces(node))
        finally:
            node.destroy_node()
            context.try_shutdown()
            set_logger_level('', level)  # One level for the whole process.


def _start(table: ParameterTable, context: rclpy.Context) -> Node:
    module = importlib.import_module(f'dp_ros.nodes.{table.node}.node')
    make_node = next(value for value in vars(module).values() if _is_node_of(module, value))
    quiet = {'autostart': False, 'port': 0}
    overrides = [rclpy.Parameter(name, value=quiet[name]) for name in quiet if name in table]
    # With another node name `policy/chunk` and `~/chunk` differ.
    renamed = ['--ros-args', '-r', '__node:=renamed']
    return make_node(
        context=context, namespace=NAMESPACE, cli_args=renamed, parameter_overrides=overrides
    )


def _is_node_of(module: ModuleType, value: Any) -> bool:
    is_node = isinstance(value, type) and issubclass(value, Node)
    return is_node and value.__module__ == module.__name__


def _interfaces(node: Node) -> Iterator[Interface]:
    for publisher in node.publishers:
        yield from _topic(node, 'publishes', publisher)
    for subscription in node.subscriptions:
        yield from _topic(node, 'takes', subscription)
    for role, services in (('serves', node.services), ('calls', node.clients)):
        for service in services:
            yield from _unless_common(node, role, service.srv_name, service.srv_type, '')
    for role, kind, names_and_types in (
        ('serves action', ActionServer, get_action_server_names_and_types_by_node),
        ('calls action', ActionClient, get_action_client_names_and_types_by_node),
    ):
        count = sum(isinstance(waitable, kind) for waitable in node.waitables)
        if count:
            for name, types in _discover(node, names_and_types, count):
                yield Interface(role, _short(node, name), types[0], '')


def _discover(node: Node, names_and_types: Callable[..., Actions], count: int) -> Actions:
    """Ask the graph, which lists the node's own actions only a moment after they open."""
    deadline = time.monotonic() + DISCOVERY_TIMEOUT
    while time.monotonic() < deadline:
        found = names_and_types(node, node.get_name(), node.get_namespace())
        if len(found) == count:
            return found
        time.sleep(0.02)
    raise TimeoutError(f'{node.get_name()}: its actions are not in the graph')


def _topic(node: Node, role: str, endpoint: Any) -> Iterator[Interface]:
    quality = describe_qos(endpoint.qos_profile)
    return _unless_common(node, role, endpoint.topic_name, endpoint.msg_type, quality)


def _unless_common(
    node: Node, role: str, name: str, kind: type, quality: str
) -> Iterator[Interface]:
    package, folder = kind.__module__.split('.')[:2]
    if package not in COMMON_TYPES and not (role == 'takes' and name in COMMON_NAMES):
        yield Interface(role, _short(node, name), f'{package}/{folder}/{kind.__name__}', quality)


def _short(node: Node, name: str) -> str:
    """Return a name as in the node's code: private, relative or absolute."""
    private = f'{node.get_fully_qualified_name()}/'
    if name.startswith(private):
        return f'~/{name.removeprefix(private)}'
    return name.removeprefix(f'{NAMESPACE}/')


def describe_qos(qos: QoSProfile) -> str:
    """Describe a quality of service."""
    reliable = qos.reliability == ReliabilityPolicy.RELIABLE
    latched = qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    words = ['reliable' if reliable else 'best effort', f'depth {qos.depth}']
    return ', '.join(words + ['latched'] * latched)
