# SPDX-License-Identifier: Apache-2.0
"""The base of event handlers, and the one that yields fixed entities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .event import Event
from .launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class BaseEventHandler:
    """Handles the events that the matcher accepts; ``handle_once``: only the first of them."""

    def __init__(self, *, matcher: Callable[[Event], bool], handle_once: bool = False) -> None:
        self._matcher = matcher
        self.handle_once = handle_once

    def matches(self, event: Event) -> bool:
        """Return whether the event is for this handler."""
        return self._matcher(event)

    def describe(self) -> tuple[str, list[LaunchDescriptionEntity]]:
        """Return a text for people and the entities that are known before an event."""
        return f'{type(self).__name__}(handle_once={self.handle_once})', []

    def handle(self, event: Event, context: LaunchContext) -> SomeEntitiesType | None:
        """Show the event to what follows as ``context.locals.event``; return what follows."""
        context.extend_locals({'event': event})
        if self.handle_once:
            context.unregister_event_handler(self)
        return None


class EventHandler(BaseEventHandler):
    """Yields entities at an event."""

    def __init__(
        self,
        *,
        matcher: Callable[[Event], bool],
        entities: SomeEntitiesType | None = None,
        handle_once: bool = False,
    ) -> None:
        super().__init__(matcher=matcher, handle_once=handle_once)
        self.entities = entities

    def describe(self) -> tuple[str, list[LaunchDescriptionEntity]]:
        """Return a text for people and the entities."""
        return super().describe()[0], entities_of(self.entities)

    def handle(self, event: Event, context: LaunchContext) -> SomeEntitiesType | None:
        """Yield the entities."""
        super().handle(event, context)
        return self.entities


def entities_of(some: SomeEntitiesType | None) -> list[LaunchDescriptionEntity]:
    """Return one entity, several, or none as a list.

    :raises TypeError: for anything that is not an entity.
    """
    if some is None:
        return []
    entities = [some] if isinstance(some, LaunchDescriptionEntity) else list(some)
    for entity in entities:
        if not isinstance(entity, LaunchDescriptionEntity):
            raise TypeError(f"expected a LaunchDescriptionEntity, got '{entity}'")
    return entities
