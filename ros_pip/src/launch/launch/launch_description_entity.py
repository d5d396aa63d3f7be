# SPDX-License-Identifier: Apache-2.0
"""The base of everything that a launch description may hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class LaunchDescriptionEntity:
    """Something that is visited when the launch runs, and may yield more of its kind."""

    def describe(self) -> str:
        """Return a description for people."""
        return repr(self)

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return what is certainly yielded, as far as known without running."""
        return []

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """Return what may be yielded: (condition in words, entities)."""
        return []

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Do what the entity is for, and return the entities to visit next."""
        return None

    def get_asyncio_future(self) -> asyncio.Future | None:
        """Return what is done when the entity's work is; None: it is already."""
        return None


SomeEntitiesType = Union[  # noqa: UP007
    LaunchDescriptionEntity, Iterable[LaunchDescriptionEntity]
]
