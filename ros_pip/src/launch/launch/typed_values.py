# SPDX-License-Identifier: Apache-2.0
"""Values that are of a type already, or are made of substitutions and then read as one.

The types are bool, int, float, str and lists of one of them (``List[int]``); None takes what YAML
reads. What can never become a value of the type is refused at construction, as upstream does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml

from .substitution import Substitution
from .utilities import normalize_to_list_of_substitutions, perform_substitutions

if TYPE_CHECKING:
    from .launch_context import LaunchContext

SCALARS = (int, float, bool, str)


def normalize_typed(value: Any, wanted: Any) -> Any:
    """Return a scalar as it is, substitutions as a list of them, and of a list each item so.

    :raises TypeError: when the value is of another type than ``wanted``.
    :raises ValueError: when ``wanted`` is no type of a value.
    """
    if isinstance(value, SCALARS):
        return _of_type(value, wanted)
    if is_substitution(value):
        return normalize_to_list_of_substitutions(value)
    if not isinstance(value, Iterable):
        raise TypeError(f'value={value!r} of {type(value)} is no scalar, substitution or list')
    item_type, is_list = (None, True) if wanted is None else _item_type(wanted)
    if not is_list:
        raise TypeError(f'value={value!r} is a list, and the required type is {wanted}')
    return _uniform([_normalized_item(item, item_type, value) for item in value], value)


def perform_typed(context: LaunchContext, value: Any, wanted: Any) -> Any:
    """Return the value that :func:`normalize_typed` prepared.

    :raises ValueError: when substitutions give a text that does not read as ``wanted``.
    """
    if isinstance(value, SCALARS):
        return value
    if is_normalized(value):
        return coerce(perform_substitutions(context, value), wanted)
    item_type = None if wanted is None else _item_type(wanted)[0]
    items = [perform_typed(context, item, item_type) for item in value]
    if len({type(item) for item in items}) > 1 and item_type is None:
        raise ValueError('The output list is not uniform')
    return items


def is_substitution(value: Any) -> bool:
    """Say whether it is a substitution, or texts and substitutions that make one text."""
    if isinstance(value, Substitution):
        return True
    items = list(value) if isinstance(value, (list, tuple)) else []
    return all(isinstance(item, (str, Substitution)) for item in items) and any(
        isinstance(item, Substitution) for item in items
    )


def is_normalized(value: Any) -> bool:
    """Say whether it is a list of substitutions."""
    return bool(value) and all(isinstance(item, Substitution) for item in value)


def coerce(text: str, wanted: Any) -> Any:
    """Read a text as a value.

    :raises ValueError: when it is not of the type.
    """
    if wanted is None:
        return _from_yaml(text)
    item_type, is_list = _item_type(wanted)
    if is_list:
        return _list_from(text, item_type)
    if item_type in (int, float, str):
        return item_type(text)
    value = _from_yaml({'1': 'true', '0': 'false'}.get(text, text))
    if not isinstance(value, bool):
        raise ValueError(f"Cannot convert value '{text}' to '{bool}'")
    return value


def _list_from(text: str, item_type: type) -> list[Any]:
    items = _from_yaml(text)
    if not isinstance(items, list) or not all(isinstance(item, item_type) for item in items):
        raise ValueError(f"Cannot convert value '{text}' to a list of '{item_type}'")
    return items


def _from_yaml(text: str) -> Any:
    if not text:
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"Failed to convert '{text}' using yaml rules: {error}") from error
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, SCALARS) for item in items) or len(set(map(type, items))) > 1:
        raise ValueError(f"'{text}' by yaml rules: output type is not allowed, got {type(value)}")
    return value


def _item_type(wanted: Any) -> tuple[type, bool]:
    """Return the type of a scalar or of a list's items, and whether it is a list."""
    is_list = get_origin(wanted) is list
    scalar = get_args(wanted)[0] if is_list else wanted
    if scalar not in SCALARS:
        raise ValueError(f'Unrecognized data type: {wanted}')
    return scalar, is_list


def _of_type(value: Any, wanted: Any) -> Any:
    if wanted is not None:
        item_type, is_list = _item_type(wanted)
        if is_list or not isinstance(value, item_type):
            raise TypeError(f"value='{value}' is not an instance of {wanted}")
    return value


def _normalized_item(item: Any, item_type: type | None, value: Any) -> Any:
    if is_substitution(item):
        return normalize_to_list_of_substitutions(item)
    if not isinstance(item, SCALARS):
        raise TypeError(f"value='{value}': an item is no scalar, substitution or list of these")
    if item_type is not None and type(item) is not item_type:
        if (item_type, type(item)) != (float, int):
            raise TypeError(f"value='{value}': expected a list of '{item_type}'")
    return item


def _uniform(items: list[Any], value: Any) -> list[Any]:
    kinds = {type(item) for item in items if not isinstance(item, list)}
    if len(kinds) > 1 and kinds != {int, float}:
        raise TypeError(f"value='{value}' is a list of several types")
    return [float(i) if kinds == {int, float} and type(i) is int else i for i in items]
