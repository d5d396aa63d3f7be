# SPDX-License-Identifier: Apache-2.0
"""Topics by name: their full name and the class of their messages."""

from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidTopicNameException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node
from rclpy.validate_full_topic_name import validate_full_topic_name

from .graph import wait_until
from .interfaces import get_interface


def full_topic_name(node: Node, topic: str) -> str:
    """Expand a topic's name.

    :raises RuntimeError: for what cannot be a name.
    """
    try:
        name = expand_topic_name(topic, node.get_name(), node.get_namespace())
        validate_full_topic_name(name)
    except (ValueError, InvalidTopicNameException) as error:
        raise RuntimeError(str(error)) from None
    return name


def topic_types(node: Node, topic: str) -> list[str]:
    """List the types that a topic has in the graph now."""
    return dict(node.get_topic_names_and_types()).get(topic, [])


def message_class(node: Node, topic: str, timeout: float, blocking: bool = False) -> Any:
    """Wait for a topic, and return the class of its messages.

    :param blocking: after the time-out [s], say so and wait on for good.
    :raises RuntimeError: for a topic that does not appear or has no single known type.
    """
    name = full_topic_name(node, topic)
    types: list[str] = []

    def known() -> bool:
        types[:] = topic_types(node, name)
        return bool(types)

    if not wait_until(node, known, timeout):
        print(f'WARNING: topic [{topic}] does not appear to be published yet')
        if not blocking or not wait_until(node, known, float('inf')):
            raise RuntimeError('Could not determine the type for the passed topic')
    if len(types) > 1:
        raise RuntimeError(
            f"Cannot echo topic '{topic}', as it contains more than one type: [{', '.join(types)}]"
        )
    try:
        return get_interface(types[0], 'msg')
    except RuntimeError:
        raise RuntimeError(f"The message type '{types[0]}' is invalid") from None


def message_filter(expression: str | None) -> Callable[[Any], bool]:
    """Compile a user's Python expression over the message `m`."""
    if expression is None:
        return lambda message: True
    code = compile(expression, '--filter', 'eval')
    return lambda message: bool(eval(code, {}, {'m': message}))
