# SPDX-License-Identifier: Apache-2.0
"""The parameters of another node."""

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterDescriptor, ParameterValue
from rclpy.node import Node
from rclpy.parameter import Parameter as ParameterClass
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient

from .graph import result_of, wait_until

#: What `get` prints before a value and what `describe` calls its type.
LABELS = {
    ParameterClass.Type.NOT_SET: ('Parameter not set.', 'not set'),
    ParameterClass.Type.BOOL: ('Boolean value is:', 'boolean'),
    ParameterClass.Type.INTEGER: ('Integer value is:', 'integer'),
    ParameterClass.Type.DOUBLE: ('Double value is:', 'double'),
    ParameterClass.Type.STRING: ('String value is:', 'string'),
    ParameterClass.Type.BYTE_ARRAY: ('Byte values are:', 'byte array'),
    ParameterClass.Type.BOOL_ARRAY: ('Boolean values are:', 'boolean array'),
    ParameterClass.Type.INTEGER_ARRAY: ('Integer values are:', 'integer array'),
    ParameterClass.Type.DOUBLE_ARRAY: ('Double values are:', 'double array'),
    ParameterClass.Type.STRING_ARRAY: ('String values are:', 'string array'),
}
SERVICE_TIMEOUT = 5.0


class NodeNotFoundError(RuntimeError):
    """The named node is not in the graph."""

    def __init__(self) -> None:
        super().__init__('Node not found')


class Parameters:
    """The parameters of another node, blocking.

    :raises RuntimeError: from each method, where the node does not answer.
    """

    def __init__(self, node: Node, remote_name: str) -> None:
        self._node = node
        self._remote_name = remote_name
        self._client = AsyncParameterClient(node, remote_name)

    def names(self, prefixes: list[str] | None = None) -> list[str]:
        """List the names in order."""
        response = self._ask(self._client.list_parameters, prefixes)
        return sorted(response.result.names)

    def values(self, names: list[str]) -> list[Any]:
        """Get values, as the messages that hold them."""
        return self._ask(self._client.get_parameters, names).values

    def descriptors(self, names: list[str]) -> list[ParameterDescriptor]:
        """Get the descriptors."""
        return self._ask(self._client.describe_parameters, names).descriptors

    def set(self, parameters: list[Parameter]) -> list[Any]:
        """Set parameters one by one, and return the results."""
        return self._ask(self._client.set_parameters, parameters).results

    def _ask(self, method: Callable[[Any], Any], argument: Any) -> Any:
        if not wait_until(self._node, self._client.services_are_ready, SERVICE_TIMEOUT):
            raise RuntimeError(
                'Wait for service timed out waiting for parameter services for node '
                f'{self._remote_name}'
            )
        return result_of(self._node, method(argument))


def python_value(value: ParameterValue) -> Any:
    """Turn a value's message into a plain Python value."""
    plain = parameter_value_to_python(value)
    return plain.tolist() if hasattr(plain, 'tolist') else plain


def type_name(descriptor: ParameterDescriptor) -> str:
    """Name a parameter's type."""
    return LABELS[ParameterClass.Type(descriptor.type)][1]
