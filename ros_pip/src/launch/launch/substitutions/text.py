# SPDX-License-Identifier: Apache-2.0
"""Substitutions that are made of others."""

from __future__ import annotations

from collections.abc import Iterable
import importlib
import os

from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class PathJoinSubstitution(Substitution):
    """A path of which each item is one part; a part of several needs launch 3.4.5."""

    def __init__(self, substitutions: Iterable[str | Substitution]) -> None:
        self.substitutions = normalize_to_list_of_substitutions(substitutions)

    def describe(self) -> str:
        """Return a description for people."""
        parts = ' + '.join(sub.describe() for sub in self.substitutions)
        return f"PathJoin('{parts}')"

    def perform(self, context: LaunchContext) -> str:
        """Return the path."""
        return os.path.join(*map(context.perform_substitution, self.substitutions))


class PythonExpression(Substitution):
    """What a Python expression evaluates to, as text; names of `math` are known in it."""

    def __init__(
        self,
        expression: SomeSubstitutionsType,
        python_modules: SomeSubstitutionsType = ('math',),
    ) -> None:
        self.expression = normalize_to_list_of_substitutions(expression)
        self.python_modules = normalize_to_list_of_substitutions(python_modules)

    def describe(self) -> str:
        """Return a description for people."""
        expression = ' + '.join(sub.describe() for sub in self.expression)
        modules = ', '.join(sub.describe() for sub in self.python_modules)
        return f'PythonExpr({expression}, [{modules}])'

    def perform(self, context: LaunchContext) -> str:
        """Return the value as text."""
        names = {}
        for substitution in self.python_modules:
            module = importlib.import_module(context.perform_substitution(substitution))
            names[module.__name__] = module
            if module.__name__ == 'math':
                names.update(vars(module))
        return str(eval(perform_substitutions(context, self.expression), {}, names))
