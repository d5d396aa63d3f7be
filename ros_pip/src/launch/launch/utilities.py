# SPDX-License-Identifier: Apache-2.0
"""Helpers for texts that are partly substitutions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .lacking import lacking
from .substitution import SomeSubstitutionsType, Substitution, TextSubstitution

if TYPE_CHECKING:
    from .launch_context import LaunchContext

__getattr__ = lacking(
    __name__,
    (
        'AsyncSafeSignalManager',
        'create_future',
        'ensure_argument_type',
        'is_a',
        'is_a_subclass',
        'isclassinstance',
        'normalize_to_list_of_entities',
        'type_utils',
        'visit_all_entities_and_collect_futures',
    ),
)


def normalize_to_list_of_substitutions(subs: SomeSubstitutionsType) -> list[Substitution]:
    """Turn a text, a substitution, or an iterable of both into a list of substitutions.

    :raises TypeError: for anything else, lists within a list and paths included.
    """
    single = isinstance(subs, (str, Substitution)) or not isinstance(subs, Iterable)
    return [_substitution(item) for item in ([subs] if single else subs)]


def _substitution(item: str | Substitution) -> Substitution:
    if isinstance(item, Substitution):
        return item
    if isinstance(item, str):
        return TextSubstitution(text=item)
    raise TypeError(
        f'Failed to normalize given item of type {type(item)!r}, '
        "when only 'str' or 'launch.Substitution' were expected."
    )


def perform_substitutions(context: LaunchContext, subs: list[Substitution]) -> str:
    """Perform ``subs`` and join the texts."""
    return ''.join(context.perform_substitution(sub) for sub in subs)


def perform(context: LaunchContext, subs: SomeSubstitutionsType) -> str:
    """Normalize and perform in one step."""
    return perform_substitutions(context, normalize_to_list_of_substitutions(subs))
