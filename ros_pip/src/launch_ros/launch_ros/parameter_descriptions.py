# SPDX-License-Identifier: Apache-2.0
"""Parameters of nodes, given as files or as values that are known when the launch runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
from pathlib import Path
from typing import Any

from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution
from launch.typed_values import SCALARS, coerce, is_normalized, normalize_typed, perform_typed
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions


class ParameterFile:
    """A YAML file of parameters."""

    def __init__(self, param_file: SomeSubstitutionsType | os.PathLike[str]) -> None:
        path = os.fspath(param_file) if isinstance(param_file, os.PathLike) else param_file
        self._file = normalize_to_list_of_substitutions(path)

    def evaluate(self, context: LaunchContext) -> Path:
        """Return its path."""
        return Path(perform_substitutions(context, self._file))


class ParameterValue:
    """A value, or substitutions that are read as one.

    :param value_type: bool, int, float, str or a list of one of them; None: what YAML reads.
    :raises TypeError: when the value is neither of that type nor made of substitutions.
    """

    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        self._value = normalize_typed(value, value_type)
        self._type = value_type

    def evaluate(self, context: LaunchContext) -> Any:
        """Return the value.

        :raises ValueError: when it is not of the type asked for.
        """
        return perform_typed(context, self._value, self._type)


class Parameter:
    """A named value, which the node is told on its command line."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, *, value_type: Any = None) -> None:
        self._name = normalize_to_list_of_substitutions(name)
        self._value = ParameterValue(value, value_type=value_type)

    def evaluate(self, context: LaunchContext) -> tuple[str, Any]:
        """Return name and value."""
        return perform_substitutions(context, self._name), self._value.evaluate(context)


Values = list[tuple[list[Substitution], Any]]


def normalize_values(values: Mapping[Any, Any], prefix: Sequence[Any] = ()) -> Values:
    """Return pairs of name and value; mappings within the mapping become names with dots.

    :raises TypeError: for what can be no parameter's value.
    """
    pairs: Values = []
    for key, value in values.items():
        name = [*prefix, *normalize_to_list_of_substitutions(key)]
        if isinstance(value, Mapping):
            pairs += normalize_values(value, normalize_to_list_of_substitutions([*name, '.']))
        else:
            pairs.append((name, _normalized(value)))
    return pairs


def evaluate_values(context: LaunchContext, values: Values) -> dict[str, Any]:
    """Perform names and values.

    :raises TypeError: for a list that is empty or of several types.
    """
    return {perform_substitutions(context, name): _evaluated(context, v) for name, v in values}


def _normalized(value: Any) -> Any:
    if isinstance(value, (ParameterValue, bytes, *SCALARS)):
        return value
    if isinstance(value, Substitution):
        return [value]
    if not isinstance(value, Sequence):
        raise TypeError(f'Unexpected type for parameter value {value!r}')
    return _normalized_list(value)


def _normalized_list(items: Sequence[Any]) -> list[Any]:
    """Return a list of one type; one text where its items are parts of a text, as upstream."""
    kinds = {type(item) if isinstance(item, SCALARS) else Sequence for item in items}
    if any(isinstance(item, Substitution) for item in items) and all(
        isinstance(item, (str, Substitution)) for item in items
    ):
        return normalize_to_list_of_substitutions(items)
    if kinds == {int, float}:
        return [float(item) for item in items]
    return [i if isinstance(i, SCALARS) else normalize_to_list_of_substitutions(i) for i in items]


def _evaluated(context: LaunchContext, value: Any) -> Any:
    if isinstance(value, ParameterValue):
        return value.evaluate(context)
    if not isinstance(value, list):
        return value
    if is_normalized(value):
        return _from_text(perform_substitutions(context, value))
    items = [i if isinstance(i, SCALARS) else _item(context, i) for i in value]
    if not items or len({type(item) for item in items}) > 1:
        raise TypeError(f'Expected a non-empty sequence, with items of uniform type, got {items}')
    return items


def _item(context: LaunchContext, item: list[Substitution]) -> Any:
    return coerce(perform_substitutions(context, item), None)


def _from_text(text: str) -> Any:
    try:
        value = coerce(text, None)
    except ValueError as error:
        raise TypeError(f'{error}; a text needs ParameterValue(value, value_type=str)') from error
    if value == []:
        raise TypeError('Expected a non-empty sequence, with items of uniform type')
    return value
