# SPDX-License-Identifier: Apache-2.0
"""Parameters of nodes, given as files or as values that are known when the launch runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution
from launch.utilities import perform
import yaml


class ParameterFile:
    """A YAML file of parameters."""

    def __init__(self, param_file: SomeSubstitutionsType) -> None:
        self._file = param_file

    def evaluate(self, context: LaunchContext) -> str:
        """Return its path."""
        return perform(context, self._file)


class ParameterValue:
    """A value made of substitutions; its type is ``value_type``, or what YAML reads.

    :param value_type: bool, int, float or str.
    """

    def __init__(self, value: Any, *, value_type: type | None = None) -> None:
        self._value = value
        self._type = value_type

    def evaluate(self, context: LaunchContext) -> Any:
        """Return the value.

        :raises ValueError: when it is not of the type asked for.
        """
        text = perform(context, self._value)
        if self._type is str:
            return text
        value = yaml.safe_load(text)
        if self._type is float and type(value) is int:
            return float(value)
        if self._type is not None and type(value) is not self._type:
            raise ValueError(f'parameter value {text!r} is not of type {self._type.__name__}')
        return value


def evaluate_values(context: LaunchContext, values: Mapping[Any, Any]) -> dict[str, Any]:
    """Perform names and values of a mapping; mappings within it become names with dots."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = perform(context, key)
        if isinstance(value, Mapping):
            inner = evaluate_values(context, value)
            result |= {f'{name}.{inner_name}': v for inner_name, v in inner.items()}
        else:
            result[name] = _evaluate(context, value)
    return result


def _evaluate(context: LaunchContext, value: Any) -> Any:
    if isinstance(value, ParameterValue):
        return value.evaluate(context)
    if isinstance(value, Substitution):
        return ParameterValue(value).evaluate(context)
    if isinstance(value, (list, tuple)):
        return _evaluate_list(context, value)
    return value


def _evaluate_list(context: LaunchContext, items: Sequence[Any]) -> Any:
    """Return a list of one type; one text where its items are parts of a text, as upstream."""
    if any(isinstance(item, (list, tuple)) for item in items):
        return [perform(context, item) for item in items]
    if any(isinstance(item, Substitution) for item in items):
        return ParameterValue(items).evaluate(context)
    if {type(item) for item in items} == {int, float}:
        return [float(item) for item in items]
    return list(items)
