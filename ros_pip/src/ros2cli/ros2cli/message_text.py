# SPDX-License-Identifier: Apache-2.0
"""Messages as YAML and as comma-separated values, as rosidl_runtime_py prints them."""

import array
from collections.abc import Iterator
from dataclasses import dataclass
import sys
from typing import Any

import numpy as np
from rosidl_parser.definition import (
    AbstractString,
    AbstractWString,
    Array,
    BasicType,
    BoundedSequence,
    NamespacedType,
)
import yaml

_SEQUENCES = (list, tuple, array.array, np.ndarray)


@dataclass(frozen=True)
class Detail:
    """How much of a message is shown.

    :param truncate_length: sequences and strings are cut after so many elements; None: never.
    """

    truncate_length: int | None = None
    no_arr: bool = False
    no_str: bool = False


FULL = Detail()


def message_to_yaml(message: Any, detail: Detail = FULL, flow_style: bool = False) -> str:
    """Print a message as YAML, fields in the order of their definition."""
    return yaml.dump(
        message_to_dict(message, detail),
        allow_unicode=True,
        width=sys.maxsize,
        default_flow_style=flow_style,
        sort_keys=False,
    )


def message_to_csv(message: Any, detail: Detail = FULL) -> str:
    """Print all values of a message on one line, separated by commas."""
    return ','.join(str(value) for value in _leaves(message_to_dict(message, detail)))


def message_to_dict(message: Any, detail: Detail) -> dict[str, Any]:
    """Turn a message into plain Python values."""
    fields = zip(message.get_fields_and_field_types(), message.SLOT_TYPES, strict=True)
    return {name: _plain(getattr(message, name), kind, detail) for name, kind in fields}


def _plain(value: Any, kind: Any, detail: Detail) -> Any:
    if isinstance(value, bytes):
        return _cut(''.join(map(chr, value)), detail)
    if isinstance(value, str):
        return f'<string length: <{len(value)}>>' if detail.no_str else _cut(value, detail)
    if isinstance(value, _SEQUENCES):
        return _plain_sequence(value, kind, detail)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bool | int | float):
        return value
    return message_to_dict(value, detail)


def _plain_sequence(values: Any, kind: Any, detail: Detail) -> Any:
    if detail.no_arr:
        return _abbreviation(values, kind)
    limit = detail.truncate_length
    cut = limit is not None and len(values) > limit
    shown = values[:limit] if cut else values
    return [_plain(value, None, detail) for value in shown] + (['...'] if cut else [])


def _cut(text: str, detail: Detail) -> str:
    limit = detail.truncate_length
    return text if limit is None or len(text) <= limit else f'{text[:limit]}...'


def _abbreviation(values: Any, kind: Any) -> str:
    name = _type_name(kind.value_type)
    if isinstance(kind, Array):
        return f'<array type: {name}[{kind.size}]>'
    bound = f'[{kind.maximum_size}]' if isinstance(kind, BoundedSequence) else ''
    return f'<sequence type: {name}{bound}, length: {len(values)}>'


def _type_name(kind: Any) -> str:
    if isinstance(kind, BasicType):
        return kind.typename
    if isinstance(kind, AbstractString):
        return 'string'
    if isinstance(kind, AbstractWString):
        return 'wstring'
    if isinstance(kind, NamespacedType):
        return '/'.join(kind.namespaced_name())
    return 'unknown'


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        yield value
        return
    for item in value:
        yield from _leaves(item)
