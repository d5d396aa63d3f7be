# SPDX-License-Identifier: Apache-2.0
"""Helpers for texts that are partly substitutions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
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
    """Turn a text, a substitution, or a mixture of both into a list of substitutions."""
    if isinstance(subs, Substitution):
        return [subs]
    if isinstance(subs, (str, Path)):
        return [TextSubstitution(text=str(subs))]
    if isinstance(subs, Iterable):
        return [part for item in subs for part in normalize_to_list_of_substitutions(item)]
    raise TypeError(
        f'Failed to normalize given item of type {type(subs)!r}, '
        "when only 'str' or 'launch.Substitution' were expected."
    )


def perform_substitutions(context: LaunchContext, subs: list[Substitution]) -> str:
    """Perform ``subs`` and join the texts."""
    return ''.join(context.perform_substitution(sub) for sub in subs)


def perform(context: LaunchContext, subs: SomeSubstitutionsType) -> str:
    """Normalize and perform in one step."""
    return perform_substitutions(context, normalize_to_list_of_substitutions(subs))
