# SPDX-License-Identifier: Apache-2.0
"""Do something later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ..action import Action
from ..event import Event
from ..event_handlers import EventHandler, OnShutdown
from ..events import TimerEvent
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..substitution import SomeSubstitutionsType
from ..typed_values import normalize_typed, perform_typed


class TimerAction(Action):
    """Visits entities once, after ``period`` seconds, unless it is cancelled before.

    :param period: a float, or substitutions; an int is refused, as upstream.
    """

    def __init__(
        self,
        *,
        period: float | SomeSubstitutionsType,
        actions: Iterable[LaunchDescriptionEntity],
        cancel_on_shutdown: bool | SomeSubstitutionsType = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(period, int):
            raise TypeError(f"'TimerAction' expected 'period' to be a float, got {period!r}")
        self.period = normalize_typed(float(period) if isinstance(period, str) else period, float)
        self.actions = list(actions)
        self._cancel_on_shutdown = normalize_typed(cancel_on_shutdown, bool)
        self._canceled = asyncio.Event()
        self._completed_future: asyncio.Future | None = None

    def describe(self) -> str:
        """Return a description for people."""
        return f'TimerAction(period={self.period}, actions=<actions>)'

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """Return what follows in the end."""
        return [(f'{self.period} seconds pass without being canceled', self.actions)]

    def cancel(self) -> None:
        """Keep the timer from firing; does nothing where it has fired."""
        self._canceled.set()

    def get_asyncio_future(self) -> asyncio.Future | None:
        """Return what is done when the timer fired or was cancelled."""
        return self._completed_future

    def execute(self, context: LaunchContext) -> None:
        """Start the timer."""
        assert context.asyncio_loop is not None
        fired = EventHandler(matcher=self._is_mine, entities=self.actions, handle_once=True)
        context.register_event_handler(fired)
        if perform_typed(context, self._cancel_on_shutdown, bool):
            context.register_event_handler(OnShutdown(on_shutdown=lambda *_: self.cancel()))
        self._completed_future = context.asyncio_loop.create_task(self._wait(context))

    def _is_mine(self, event: Event) -> bool:
        return isinstance(event, TimerEvent) and event.timer_action is self

    async def _wait(self, context: LaunchContext) -> None:
        period = perform_typed(context, self.period, float)
        try:
            await asyncio.wait_for(self._canceled.wait(), timeout=period)
        except TimeoutError:
            await context.emit_event(TimerEvent(timer_action=self))
