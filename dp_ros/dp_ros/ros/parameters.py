# SPDX-License-Identifier: Apache-2.0
"""Parameter tables: one frozen description of the parameters of a node, and their checks.

The table is the only definition of a parameter: descriptors, the check of a change, and the
reference page are made from it. This module does not import ROS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import math
from typing import Any

Value = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    :param default: default value; its type is the parameter's type.
    :param low: smallest allowed value, of a list of numbers for each element; ``high``: largest.
    :param choices: allowed texts; empty: any.
    :param read_only: whether the value can only be set when the node starts.
    :param element: type of the elements of a list that is empty by default.
    """

    name: str
    default: Value
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False
    element: type | None = None

    @property
    def is_list(self) -> bool:
        """Whether the parameter holds a list."""
        return isinstance(self.default, list)

    @property
    def element_type(self) -> type:
        """Type of the value; for a list, of its elements."""
        if isinstance(self.default, list):
            return self.element or type(self.default[0])
        return type(self.default)

    @property
    def type_name(self) -> str:
        """Name of the type as ROS spells it: ``double``, ``string_array`` …."""
        names = {bool: 'bool', int: 'integer', float: 'double', str: 'string'}
        return names[self.element_type] + ('_array' if self.is_list else '')

    @property
    def limits(self) -> str:
        """Allowed values in words; empty if all of the type are allowed."""
        if self.choices:
            return 'one of ' + ', '.join(f"'{choice}'" for choice in self.choices)
        if self.low is None and self.high is None:
            return ''
        low = '-inf' if self.low is None else f'{self.low:g}'
        high = 'inf' if self.high is None else f'{self.high:g}'
        return f'{low} to {high}'

    def check(self, value: Any) -> str | None:
        """Return why ``value`` is refused, or None."""
        elements = value if self.is_list else [value]
        if (
            self.is_list
            and not isinstance(value, (list, tuple))
            and not hasattr(value, 'typecode')
        ):
            return f'{self.name} = {value!r}: needs a list, type {self.type_name}'
        for element in elements:
            reason = self._check_element(element)
            if reason is not None:
                return f'{self.name} = {value!r}: {reason}'
        return None

    def _check_element(self, value: Any) -> str | None:
        if type(value) is not self.element_type:
            return f'needs type {self.type_name}, got {type(value).__name__}'
        if self.choices and value not in self.choices:
            return f'needs {self.limits}'
        if isinstance(value, float) and not math.isfinite(value):
            return 'needs a finite number'
        if isinstance(value, (int, float)) and not self._in_range(value):
            return f'needs {self.limits}'
        return None

    def _in_range(self, value: float) -> bool:
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return low <= value <= high


class ParameterTable(Mapping[str, Parameter]):
    """The parameters of one node, by name, in the order written."""

    def __init__(self, node: str, *parameters: Parameter) -> None:
        self.node = node
        self._parameters = {parameter.name: parameter for parameter in parameters}
        if len(self._parameters) != len(parameters):
            raise ValueError(f'{node}: a parameter name is used twice')

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def defaults(self) -> dict[str, Value]:
        """Default of every parameter."""
        return {name: parameter.default for name, parameter in self.items()}

    def check(self, values: Mapping[str, Any]) -> str | None:
        """Return why one of ``values`` is refused, or None; names not in the table are ignored."""
        for name, value in values.items():
            reason = self[name].check(value) if name in self else None
            if reason is not None:
                return reason
        return None
