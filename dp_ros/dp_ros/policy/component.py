# SPDX-License-Identifier: Apache-2.0
"""Exchangeable parts of a policy: frozen values with a name, that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig


class ConfigError(ValueError):
    """A configuration contradicts itself; the message names the value."""


def require(condition: bool, message: str) -> None:
    """Refuse a configuration.

    :raises ConfigError: with the message, unless the condition holds.
    """
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class Component:
    """One part of a policy; its settings are its fields, tuples where there are several."""

    name: ClassVar[str]
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    lowest: ClassVar[Mapping[str, float]] = {}

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
    settings = {'name': values} if isinstance(values, str) else dict(values)
    name = settings.pop('name', None)
    require(name in kinds, f'{what} = {name!r}: needs one of {tuple(kinds)}')
    return make_value(kinds[name], settings, f'{what} {name}')


def make_value(kind: type[Any], values: Mapping[str, Any], what: str) -> Any:
    """Make a frozen value from a file's keys.

    :raises ConfigError: for a key that does not exist, or a value refused.
    """
    known = sorted(entry.name for entry in fields(kind))
    unknown = sorted(set(values) - set(known))
    require(not unknown, f'{what}: {", ".join(unknown)}: no such key; there are {known}')
    try:
        return kind(**values)
    except (TypeError, AttributeError) as error:
        raise ConfigError(f'{what}: {error}') from error
