# SPDX-License-Identifier: Apache-2.0
"""Fill messages from YAML, as rosidl_runtime_py does."""

import array
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from rosidl_parser.definition import AbstractNestedType, NamespacedType
import yaml

#: Sets one time field of a message.
StampSetter = Callable[[Time], None]


def parse_values(text: str) -> dict[str, Any]:
    """Read the YAML dictionary of a command line.

    :raises RuntimeError: for anything else.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RuntimeError(f'The passed value is not YAML: {error}') from None
    if not isinstance(values, dict):
        raise RuntimeError('The passed value needs to be a dictionary in YAML format')
    return values


def set_message_fields(
    message: Any, values: Mapping[str, Any], expand_times: bool = False
) -> list[StampSetter]:
    """Set the fields of a message.

    :param expand_times: leave `auto` of a Header and `now` of a Time to the returned setters.
    :raises AttributeError: for a field that the message does not have.
    :raises TypeError: for a value of another type.
    """
    if not isinstance(values, Mapping):
        raise TypeError(
            f"Value '{values}' is expected to be a dictionary but is a {type(values).__name__}"
        )
    setters: list[StampSetter] = []
    kinds = dict(zip(message.get_fields_and_field_types(), message.SLOT_TYPES, strict=True))
    for name, value in values.items():
        field = getattr(message, name)
        setter = _stamp_setter(message, name, field, value) if expand_times else None
        if setter is not None:
            setters.append(setter)
            continue
        setattr(message, name, _converted(field, kinds[name], value, setters, expand_times))
    return setters


def _stamp_setter(message: Any, name: str, field: Any, value: Any) -> StampSetter | None:
    if value == 'now' and isinstance(field, Time):
        return partial(setattr, message, name)
    # std_msgs need not be installed: a header is known by its name.
    if value == 'auto' and type(field).__module__ == 'std_msgs.msg._header':
        return partial(setattr, field, 'stamp')
    return None


def _converted(
    field: Any, kind: Any, value: Any, setters: list[StampSetter], expand_times: bool
) -> Any:
    """Return a field's new value; times found inside are added to the setters."""
    if isinstance(kind, AbstractNestedType) and isinstance(kind.value_type, NamespacedType):
        element = kind.value_type
        cls = getattr(import_module('.'.join(element.namespaces)), element.name)
        messages = [cls() for _ in value]
        for message, entry in zip(messages, value, strict=True):
            setters += set_message_fields(message, entry, expand_times)
        return messages
    if isinstance(field, array.array):
        return array.array(field.typecode, value)
    if isinstance(field, np.ndarray):
        return np.array(value, dtype=field.dtype)
    if hasattr(field, 'SLOT_TYPES'):
        message = type(field)()
        setters += set_message_fields(message, value, expand_times)
        return message
    if isinstance(field, bytes):
        return value.encode() if isinstance(value, str) else bytes([value])
    return value if type(value) is type(field) else type(field)(value)
