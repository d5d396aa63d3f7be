# SPDX-License-Identifier: Apache-2.0
"""Frozen values from the keys of a file; errors name what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
import math
from typing import Any, Final

_PLAIN: Final[Mapping[str, tuple[type, ...]]] = {
    'bool': (bool,),
    'int': (int,),
    'int | None': (int, type(None)),
    'float': (int, float),
    'str': (str,),
}
_SHOWN: Final = 100
_TOLD: Final = 600
_MOST: Final = 2**63 - 1


class ConfigError(ValueError):
    """A configuration contradicts itself; the message names the value."""


def require(condition: bool, message: str) -> None:
    """Raise unless a condition holds.

    :raises ConfigError: with the message, if it does not.
    """
    if not condition:
        raise ConfigError(brief(message))


def brief(text: str) -> str:
    """Return a text as one short, printable line, whatever it quotes."""
    line = ' '.join(text.split())
    return line if len(line) <= _TOLD else f'{line[:_TOLD]}…'


def shown(value: Any) -> str:
    """Return a value as a text for an error; of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'


def as_names(value: Any) -> tuple[str, ...]:
    """Return names as a tuple; a file may give a single one without a list."""
    return (value,) if isinstance(value, str) else tuple(value)


def make_value(kind: type[Any], values: Mapping[str, Any], what: str) -> Any:
    """Make a frozen value from a file's keys.

    :raises ConfigError: for an unknown key, or a value that is not allowed.
    """
    require(isinstance(values, Mapping), f'{what} = {shown(values)}: needs keys and values')
    known = sorted(entry.name for entry in fields(kind))
    unknown = sorted(map(str, set(values) - set(known)))
    require(not unknown, f'{what}: {", ".join(unknown)}: no such key; there are {known}')
    for entry in fields(kind):
        if entry.name in values:
            value, needed = values[entry.name], str(entry.type)
            require(_fits(value, needed), f'{what}: {entry.name} = {shown(value)}: needs {needed}')
    try:
        return kind(**values)
    except ConfigError:
        raise
    except (TypeError, AttributeError, ValueError) as error:
        raise ConfigError(brief(f'{what}: {error}')) from error


def _fits(value: Any, needed: str) -> bool:
    """Tell whether a value fits the annotation of a field; unknown annotations fit all."""
    if needed.startswith('tuple['):
        if needed == 'tuple[str, ...]' and isinstance(value, str):
            return True  # A single name, or one mode for all.
        inner = needed.removeprefix('tuple[').removesuffix(', ...]')
        return isinstance(value, list | tuple) and all(_fits(each, inner) for each in value)
    if needed not in _PLAIN:
        return True
    if not isinstance(value, _PLAIN[needed]) or isinstance(value, bool) != (needed == 'bool'):
        return False
    if isinstance(value, int):
        return abs(value) <= _MOST
    return not isinstance(value, float) or math.isfinite(value)
