# SPDX-License-Identifier: Apache-2.0
"""Exchangeable parts of a policy: frozen values with a name, that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
import math
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig

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
    """Refuse a configuration.

    :raises ConfigError: with the message, unless the condition holds.
    """
    if not condition:
        raise ConfigError(brief(message))


def brief(text: str) -> str:
    """Return a text in a line that can be read, of whatever it quotes."""
    line = ' '.join(text.split())
    return line if len(line) <= _TOLD else f'{line[:_TOLD]}…'


def shown(value: Any) -> str:
    """Show a value in an error, a long one by its beginning."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'


@dataclass(frozen=True)
class Component:
    """One part of a policy; its settings are its fields, tuples where there are several."""

    name: ClassVar[str]
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    lowest: ClassVar[Mapping[str, float]] = {}
    highest: ClassVar[Mapping[str, float]] = {}

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, list):
                object.__setattr__(self, entry.name, tuple(value))
        for key, allowed in self.choices.items():
            value = getattr(self, key)
            require(value in allowed, f'{self.name}.{key} = {value!r}: needs one of {allowed}')
        for key, low in self.lowest.items():
            value = getattr(self, key)
            require(value >= low, f'{self.name}.{key} = {value}: needs at least {low}')
        for key, high in self.highest.items():
            value = getattr(self, key)
            require(value <= high, f'{self.name}.{key} = {value}: needs at most {high}')

    def check(self, policy: PolicyConfig) -> None:
        """Refuse a policy in which this part cannot work.

        :raises ConfigError: with the value that does not fit.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the name and the settings."""
        return {'name': self.name} | asdict(self)


Kind = TypeVar('Kind', bound=Component)


def make_component(what: str, kinds: Mapping[str, type[Kind]], values: Any) -> Kind:
    """Make a part from its settings, or from its name alone.

    :param what: the part's role, to name it in an error.
    :raises ConfigError: for an unknown name or key, or a value refused.
    """
    named = {'name': values} if isinstance(values, str) else values
    known = isinstance(named, Mapping)
    require(known, f'{what} = {shown(values)}: needs the settings of one of {tuple(kinds)}')
    settings = dict(named)
    name = settings.pop('name', None)
    known = isinstance(name, str) and name in kinds
    require(known, f'{what} = {shown(name)}: needs one of {tuple(kinds)}')
    return make_value(kinds[name], settings, f'{what} {name}')


def make_value(kind: type[Any], values: Mapping[str, Any], what: str) -> Any:
    """Make a frozen value from a file's keys.

    :raises ConfigError: for a key that does not exist, or a value refused.
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
    """Say whether a value is what a field's annotation says; of other annotations, always."""
    if needed.startswith('tuple['):
        if needed == 'tuple[str, ...]' and isinstance(value, str):
            return True  # One name, or one mode for all.
        inner = needed.removeprefix('tuple[').removesuffix(', ...]')
        return isinstance(value, list | tuple) and all(_fits(each, inner) for each in value)
    if needed not in _PLAIN:
        return True
    if not isinstance(value, _PLAIN[needed]) or isinstance(value, bool) != (needed == 'bool'):
        return False
    if isinstance(value, int):
        return abs(value) <= _MOST
    return not isinstance(value, float) or math.isfinite(value)
