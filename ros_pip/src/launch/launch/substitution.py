# SPDX-License-Identifier: Apache-2.0
"""Substitutions: text that is known only when the launch runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class Substitution:
    """Text that is made in a launch context."""

    def perform(self, context: LaunchContext) -> str:
        """Return the text."""
        raise NotImplementedError(type(self).__name__)

    def describe(self) -> str:
        """Return the substitution as text, for people."""
        return repr(self)


class TextSubstitution(Substitution):
    """A fixed text."""

    def __init__(self, *, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f'TextSubstitution expected str, got {type(text)}')
        self.text = text

    def describe(self) -> str:
        """Return the text in quotes."""
        return f"'{self.text}'"

    def perform(self, context: LaunchContext) -> str:
        """Return the text."""
        return self.text


SomeSubstitutionsType = Union[str, Substitution, Iterable[Union[str, Substitution]]]  # noqa: UP007
