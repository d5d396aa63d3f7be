# SPDX-License-Identifier: Apache-2.0
"""Handlers of what happens to processes, and of the end of the launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Union

from .action import Action
from .event import Event
from .event_handler import BaseEventHandler, EventHandler, entities_of
from .events import IncludeLaunchDescription, Shutdown
from .events.process import ProcessExited, ProcessIO, ProcessStarted
from .lacking import lacking
from .launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType

if TYPE_CHECKING:
    from .launch_context import LaunchContext

__all__ = [
    'EventHandler',
    'OnIncludeLaunchDescription',
    'OnProcessExit',
    'OnProcessIO',
    'OnProcessStart',
    'OnShutdown',
]

__getattr__ = lacking(__name__, ('OnActionEventBase', 'OnExecutionComplete', 'event_named'))

Reaction = Union[  # noqa: UP007
    SomeEntitiesType, Callable[..., SomeEntitiesType | None], None
]
Target = Union['Action', Callable[['Action'], bool], None]  # noqa: UP007


class ReactingEventHandler(BaseEventHandler):
    """Answers an event with entities, or with what a function of (event, context) yields."""

    def __init__(
        self,
        matcher: Callable[[Event], bool],
        reaction: Reaction,
        handle_once: bool = False,
    ) -> None:
        super().__init__(matcher=matcher, handle_once=handle_once)
        self._reaction = reaction if callable(reaction) else entities_of(reaction)

    def describe(self) -> tuple[str, list[LaunchDescriptionEntity]]:
        """Return a text for people and the entities, where they are known."""
        return super().describe()[0], [] if callable(self._reaction) else self._reaction

    def handle(self, event: Event, context: LaunchContext) -> SomeEntitiesType | None:
        """Yield the entities."""
        super().handle(event, context)
        if callable(self._reaction):
            return self._reaction(event, context)
        return self._reaction


class _OnProcessEvent(ReactingEventHandler):
    """Answers one kind of event of one process, of those a function accepts, or of all."""

    def __init__(
        self, kind: type[Event], target: Target, reaction: Reaction, handle_once: bool
    ) -> None:
        if not (target is None or isinstance(target, Action) or callable(target)):
            raise TypeError(f'action_matcher must be an action or a callable, got {target!r}')

        def matches(event: Event) -> bool:
            if not isinstance(event, kind):
                return False
            if target is None or event.action is target:
                return True
            return callable(target) and target(event.action)

        super().__init__(matches, reaction, handle_once)


class OnProcessStart(_OnProcessEvent):
    """Answers that a process started."""

    def __init__(
        self, *, target_action: Target = None, on_start: Reaction, handle_once: bool = False
    ) -> None:
        super().__init__(ProcessStarted, target_action, on_start, handle_once)


class OnProcessExit(_OnProcessEvent):
    """Answers that a process ended."""

    def __init__(
        self, *, target_action: Target = None, on_exit: Reaction, handle_once: bool = False
    ) -> None:
        super().__init__(ProcessExited, target_action, on_exit, handle_once)


class OnProcessIO(_OnProcessEvent):
    """Answers the output of a process; the functions get the event alone."""

    def __init__(
        self,
        *,
        target_action: Target = None,
        on_stdout: Callable[[ProcessIO], SomeEntitiesType | None] | None = None,
        on_stderr: Callable[[ProcessIO], SomeEntitiesType | None] | None = None,
        handle_once: bool = False,
    ) -> None:
        def react(event: ProcessIO, context: LaunchContext) -> SomeEntitiesType | None:
            function = on_stdout if event.from_stdout else on_stderr
            return None if function is None else function(event)

        super().__init__(ProcessIO, target_action, react, handle_once)


class OnShutdown(ReactingEventHandler):
    """Answers that the launch ends."""

    def __init__(self, *, on_shutdown: Reaction, handle_once: bool = False) -> None:
        super().__init__(lambda event: isinstance(event, Shutdown), on_shutdown, handle_once)


class OnIncludeLaunchDescription(ReactingEventHandler):
    """Visits the launch description that an event brings."""

    def __init__(self, *, handle_once: bool = False) -> None:
        super().__init__(
            lambda event: isinstance(event, IncludeLaunchDescription),
            lambda event, context: event.launch_description,
            handle_once,
        )
