# SPDX-License-Identifier: Apache-2.0
"""Substitutions that decide: their text is `true` or `false`, or one of two others."""

from __future__ import annotations

from typing import Any

from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..typed_values import is_substitution, perform_typed
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from .failure import SubstitutionFailure


def _is_true(context: LaunchContext, subs: list[Substitution]) -> bool:
    try:
        return perform_typed(context, subs, bool)
    except ValueError as error:
        raise SubstitutionFailure(str(error)) from error


class _OfTwo(Substitution):
    """Something said of two texts."""

    def __init__(self, left: SomeSubstitutionsType, right: SomeSubstitutionsType) -> None:
        self.left = normalize_to_list_of_substitutions(left)
        self.right = normalize_to_list_of_substitutions(right)

    def describe(self) -> str:
        """Return a description for people."""
        sides = [' + '.join(s.describe() for s in side) for side in (self.left, self.right)]
        return f'{type(self).__name__}({sides[0]} {sides[1]})'

    def perform(self, context: LaunchContext) -> str:
        """Return `true` or `false`."""
        return str(self._holds(context)).lower()

    def _holds(self, context: LaunchContext) -> bool:
        raise NotImplementedError


class AndSubstitution(_OfTwo):
    """Whether both are true."""

    def _holds(self, context: LaunchContext) -> bool:
        return _is_true(context, self.left) and _is_true(context, self.right)


class OrSubstitution(_OfTwo):
    """Whether one of them is true."""

    def _holds(self, context: LaunchContext) -> bool:
        return _is_true(context, self.left) or _is_true(context, self.right)


class EqualsSubstitution(_OfTwo):
    """Whether both are the same text; numbers and bools are compared as their text."""

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__(_text(left), _text(right))

    def _holds(self, context: LaunchContext) -> bool:
        return perform_substitutions(context, self.left) == perform_substitutions(
            context, self.right
        )


def _text(value: Any) -> SomeSubstitutionsType:
    if is_substitution(value):
        return value
    return str(value).lower() if isinstance(value, bool) else str('' if value is None else value)


class NotEqualsSubstitution(EqualsSubstitution):
    """Whether they are different texts."""

    def _holds(self, context: LaunchContext) -> bool:
        return not super()._holds(context)


class NotSubstitution(Substitution):
    """Whether it is false."""

    def __init__(self, value: SomeSubstitutionsType) -> None:
        self.value = normalize_to_list_of_substitutions(value)

    def describe(self) -> str:
        """Return a description for people."""
        return f'NotSubstitution({" + ".join(s.describe() for s in self.value)})'

    def perform(self, context: LaunchContext) -> str:
        """Return `true` or `false`."""
        return str(not _is_true(context, self.value)).lower()


class IfElseSubstitution(Substitution):
    """One text where the condition is true, another where it is false."""

    def __init__(
        self,
        condition: SomeSubstitutionsType,
        if_value: SomeSubstitutionsType = '',
        else_value: SomeSubstitutionsType = '',
    ) -> None:
        self.condition = normalize_to_list_of_substitutions(condition)
        self.if_value = normalize_to_list_of_substitutions(if_value)
        self.else_value = normalize_to_list_of_substitutions(else_value)

    def describe(self) -> str:
        """Return a description for people."""
        parts = (self.condition, self.if_value, self.else_value)
        texts = (' + '.join(sub.describe() for sub in part) for part in parts)
        return f'IfElseSubstitution({", ".join(texts)})'

    def perform(self, context: LaunchContext) -> str:
        """Return one of the two texts."""
        chosen = self.if_value if _is_true(context, self.condition) else self.else_value
        return perform_substitutions(context, chosen)
