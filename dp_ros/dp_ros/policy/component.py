# SPDX-License-Identifier: Apache-2.0
"""Exchangeable parts of a policy: frozen, named values that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from dp_ros.values import make_value, require, shown

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig


@dataclass(frozen=True)
class Component:
    """One part of a policy; its fields are its settings, lists of values as tuples."""

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
        """Check that this part can work in a policy.

        :raises ConfigError: naming the value that does not fit.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the name and the settings."""
        return {'name': self.name} | asdict(self)


Kind = TypeVar('Kind', bound=Component)


def make_component(what: str, kinds: Mapping[str, type[Kind]], values: Any) -> Kind:
    """Make a part from its settings, or from its name alone.

    :param what: role of the part, for errors.
    :raises ConfigError: for an unknown name or key, or a value that is not allowed.
    """
    named = {'name': values} if isinstance(values, str) else values
    known = isinstance(named, Mapping)
    require(known, f'{what} = {shown(values)}: needs the settings of one of {tuple(kinds)}')
    settings = dict(named)
    name = settings.pop('name', None)
    known = isinstance(name, str) and name in kinds
    require(known, f'{what} = {shown(name)}: needs one of {tuple(kinds)}')
    return make_value(kinds[name], settings, f'{what} {name}')
