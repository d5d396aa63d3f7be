# SPDX-License-Identifier: Apache-2.0
"""Substitutions by what the launch context knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from .failure import SubstitutionFailure


class LaunchConfiguration(Substitution):
    """The value of a launch configuration, such as an argument.

    :param default: used where there is no such configuration.
    """

    def __init__(
        self,
        variable_name: SomeSubstitutionsType,
        *,
        default: Any | Iterable[Any] | None = None,
    ) -> None:
        self.variable_name = normalize_to_list_of_substitutions(variable_name)
        self._default = None if default is None else _as_substitutions(default)

    def describe(self) -> str:
        """Return a description for people."""
        return f'LaunchConfig({_described(self.variable_name)})'

    def perform(self, context: LaunchContext) -> str:
        """Return the value.

        :raises SubstitutionFailure: when there is neither a value nor a default.
        """
        name = perform_substitutions(context, self.variable_name)
        if name in context.launch_configurations:
            return context.launch_configurations[name]
        if self._default is None:
            raise SubstitutionFailure(f"launch configuration '{name}' does not exist")
        return perform_substitutions(context, self._default)


class EnvironmentVariable(Substitution):
    """The value of an environment variable."""

    def __init__(
        self,
        name: SomeSubstitutionsType,
        *,
        default_value: SomeSubstitutionsType | None = None,
    ) -> None:
        self.name = normalize_to_list_of_substitutions(name)
        self.default_value = (
            None if default_value is None else normalize_to_list_of_substitutions(default_value)
        )

    def describe(self) -> str:
        """Return a description for people."""
        return f'EnvVar({_described(self.name)})'

    def perform(self, context: LaunchContext) -> str:
        """Return the value.

        :raises SubstitutionFailure: when there is neither a value nor a default.
        """
        name = perform_substitutions(context, self.name)
        if name in context.environment:
            return context.environment[name]
        if self.default_value is None:
            raise SubstitutionFailure(f"environment variable '{name}' does not exist")
        return perform_substitutions(context, self.default_value)


class ThisLaunchFile(Substitution):
    """The path of the launch file that runs."""

    _local = 'current_launch_file_path'

    def describe(self) -> str:
        """Return a description for people."""
        return f'{type(self).__name__}()'

    def perform(self, context: LaunchContext) -> str:
        """Return the path.

        :raises SubstitutionFailure: outside of a launch file.
        """
        values = context.get_locals_as_dict()
        if self._local not in values:
            raise SubstitutionFailure(
                f'{type(self).__name__} used outside of a launch file (in a script)'
            )
        return values[self._local]


class ThisLaunchFileDir(ThisLaunchFile):
    """The folder of the launch file that runs."""

    _local = 'current_launch_file_directory'


def _as_substitutions(default: Any | Iterable[Any]) -> list[Substitution]:
    single = isinstance(default, (str, Substitution)) or not isinstance(default, Iterable)
    items = [default] if single else default
    return normalize_to_list_of_substitutions(
        item if isinstance(item, (str, Substitution)) else str(item) for item in items
    )


def _described(subs: list[Substitution]) -> str:
    return ' + '.join(sub.describe() for sub in subs)
