# SPDX-License-Identifier: Apache-2.0
"""The state of a running launch that its entities see."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, MutableMapping
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .event import Event
    from .event_handler import BaseEventHandler
    from .substitution import Substitution


class LaunchContext:
    """Configurations, environment, locals, events and their handlers.

    :param argv: arguments of the launch, for entities that want them.
    :param noninteractive: whether there is no terminal that tells the processes of a Ctrl-C.
    """

    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False) -> None:
        self.argv = [] if argv is None else argv
        self.noninteractive = noninteractive
        self.is_shutdown = False
        self.asyncio_loop: asyncio.AbstractEventLoop | None = None
        self.launch_configurations: dict[str, Any] = {}
        self._event_queue: asyncio.Queue[Event] = asyncio.Queue()
        self._event_handlers: deque[BaseEventHandler] = deque()
        self._completion_futures: list[asyncio.Future] = []
        self._globals: dict[str, Any] = {}
        self._locals: dict[str, Any] = {}
        self._locals_stack: list[dict[str, Any]] = []
        self._configurations_stack: list[dict[str, Any]] = []
        self._environment_stack: list[dict[str, str]] = []
        self._first_environment = dict(os.environ)

    @property
    def environment(self) -> MutableMapping[str, str]:
        """The environment that processes get."""
        return os.environ

    # ---- locals: what is known only while one event is handled

    def extend_globals(self, extensions: dict[str, Any]) -> None:
        """Add locals for good."""
        self._globals.update(extensions)

    def extend_locals(self, extensions: dict[str, Any]) -> None:
        """Add locals until the event that is being handled is done."""
        self._locals.update(extensions)

    def get_locals_as_dict(self) -> dict[str, Any]:
        """Return the locals as a dictionary."""
        return {**self._globals, **self._locals}

    @property
    def locals(self) -> SimpleNamespace:
        """The locals as attributes."""
        return SimpleNamespace(**self.get_locals_as_dict())

    def _push_locals(self) -> None:
        self._locals_stack.append(dict(self._locals))

    def _pop_locals(self) -> None:
        self._locals = self._locals_stack.pop()

    # ---- scopes

    def _push_launch_configurations(self) -> None:
        self._configurations_stack.append(dict(self.launch_configurations))

    def _pop_launch_configurations(self) -> None:
        if not self._configurations_stack:
            raise RuntimeError('launch_configurations stack unexpectedly empty')
        self.launch_configurations = self._configurations_stack.pop()

    def _push_environment(self) -> None:
        self._environment_stack.append(dict(os.environ))

    def _pop_environment(self) -> None:
        if not self._environment_stack:
            raise RuntimeError('environment stack unexpectedly empty')
        self._set_environment(self._environment_stack.pop())

    def _reset_environment(self) -> None:
        self._set_environment(self._first_environment)

    @staticmethod
    def _set_environment(environment: dict[str, str]) -> None:
        os.environ.clear()
        os.environ.update(environment)

    # ---- events

    def add_completion_future(self, completion_future: asyncio.Future) -> None:
        """Keep the launch from being idle until the future is done."""
        self._completion_futures.append(completion_future)

    def register_event_handler(
        self, event_handler: BaseEventHandler, append: bool = False
    ) -> None:
        """Add a handler, before those that are there or, with ``append``, after them."""
        if append:
            self._event_handlers.append(event_handler)
        else:
            self._event_handlers.appendleft(event_handler)

    def unregister_event_handler(self, event_handler: BaseEventHandler) -> None:
        """Remove a handler."""
        self._event_handlers.remove(event_handler)

    def would_handle_event(self, event: Event) -> bool:
        """Return whether a handler wants the event."""
        return any(handler.matches(event) for handler in self._event_handlers)

    def emit_event_sync(self, event: Event) -> None:
        """Put an event into the queue."""
        self._event_queue.put_nowait(event)

    async def emit_event(self, event: Event) -> None:
        """Put an event into the queue."""
        self.emit_event_sync(event)

    def perform_substitution(self, substitution: Substitution) -> str:
        """Return the text that the substitution stands for."""
        return substitution.perform(self)
