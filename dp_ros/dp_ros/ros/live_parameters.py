# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of a node, declared from its table, as one consistent snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
import re
from types import MappingProxyType
from typing import Any

from dp_ros.ros.parameters import Parameter, ParameterTable
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
import rclpy.parameter

Values = Mapping[str, Any]


class LiveParameters:
    """Values of a node's parameters, checked before every change and replaced as a whole.

    :param check: function that gets all values as they would be, and returns why they are
        refused, or None.
    :param changed: function that gets the new snapshot after an accepted change.
    """

    def __init__(
        self,
        node: Node,
        table: ParameterTable,
        check: Callable[[Values], str | None] | None = None,
        changed: Callable[[Values], None] | None = None,
    ) -> None:
        self._node, self._table = node, table
        self._check = check
        self._changed = changed
        values = {name: _declare(node, parameter) for name, parameter in table.items()}
        reason = table.check(values) or (check(values) if check else None)
        if reason is not None:
            raise ValueError(f'{node.get_fully_qualified_name()}: {reason}')
        self.values: Values = MappingProxyType(values)
        node.add_on_set_parameters_callback(self._judge)
        node.add_post_set_parameters_callback(self._swap)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def describe(self, name: str, **limits: Any) -> None:
        """Describe a parameter with narrower limits than the table's, for now.

        :param limits: `high` or `choices` of the parameter, as in the table; none: the table's.
        """
        descriptor = _descriptor(replace(self._table[name], **limits))
        descriptor.type = self._node.describe_parameter(name).type
        self._node.set_descriptor(name, descriptor)

    def _proposed(self, parameters: list[rclpy.parameter.Parameter]) -> dict[str, Any]:
        return {p.name: _plain(p.value) for p in parameters if p.name in self._table}

    def _judge(self, parameters: list[rclpy.parameter.Parameter]) -> SetParametersResult:
        proposed = self._proposed(parameters)
        reason = self._table.check(proposed)
        if reason is None and self._check is not None:
            reason = self._check({**self.values, **proposed})
        return SetParametersResult(successful=reason is None, reason=reason or '')

    def _swap(self, parameters: list[rclpy.parameter.Parameter]) -> None:
        proposed = self._proposed(parameters)
        if not proposed:
            return
        self.values = MappingProxyType({**self.values, **proposed})
        if self._changed is not None:
            self._changed(self.values)


def choices_of(descriptor: ParameterDescriptor) -> list[str]:
    """Return the texts that are allowed by the descriptor of another node; none: any."""
    return re.findall("'([^']*)'", descriptor.additional_constraints)


def _declare(node: Node, parameter: Parameter) -> Any:
    descriptor = _descriptor(parameter)
    if parameter.is_list and not parameter.default:
        kind = getattr(rclpy.Parameter.Type, parameter.type_name.upper())
        value = node.declare_parameter(parameter.name, kind, descriptor)
        if value.value is None:
            node.set_parameters([rclpy.Parameter(parameter.name, kind, [])])
        return _plain(value.value) or []
    return _plain(node.declare_parameter(parameter.name, parameter.default, descriptor).value)


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=parameter.limits if parameter.choices else '',
        read_only=parameter.read_only,
    )
    _set_range(descriptor, parameter)
    return descriptor


def _set_range(descriptor: ParameterDescriptor, parameter: Parameter) -> None:
    if parameter.is_list or (parameter.low is None and parameter.high is None):
        return
    if parameter.element_type is int:
        low = -(2**63) if parameter.low is None else int(parameter.low)
        high = 2**63 - 1 if parameter.high is None else int(parameter.high)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    else:
        low = -1e308 if parameter.low is None else float(parameter.low)
        high = 1e308 if parameter.high is None else float(parameter.high)
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]


def _plain(value: Any) -> Any:
    """Convert arrays of ROS (array.array, tuple) to lists."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return list(value)
