# SPDX-License-Identifier: Apache-2.0
"""Runs launch descriptions: visits entities, handles events, and ends when all work is done."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
import logging
import signal
import threading
import traceback
from typing import Any

from .event import Event
from .event_handler import entities_of
from .event_handlers import OnIncludeLaunchDescription, OnShutdown
from .events import IncludeLaunchDescription, Shutdown
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity
from .logging import get_logger, launch_config, log_launch_config


class LaunchService:
    """Runs the launch descriptions that were included.

    :param argv: arguments, for entities that want them.
    :param noninteractive: there is no terminal that sends Ctrl-C to the processes as well.
    """

    def __init__(
        self,
        *,
        argv: Iterable[str] | None = None,
        noninteractive: bool = False,
        debug: bool = False,
    ) -> None:
        launch_config.level = logging.DEBUG if debug else logging.INFO
        self._logger = get_logger('launch')
        self._context = LaunchContext(argv=argv, noninteractive=noninteractive)
        self._context.register_event_handler(OnIncludeLaunchDescription())
        self._context.register_event_handler(OnShutdown(on_shutdown=self._on_shutdown))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task | None = None
        self._futures: list[asyncio.Future] = []
        self._shutting_down = False
        self._return_code = 0

    @property
    def context(self) -> LaunchContext:
        """The context that entities see."""
        return self._context

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop, while the service runs."""
        return self._loop

    @property
    def task(self) -> asyncio.Task | None:
        """The task, once the service runs."""
        return self._task

    # ---- from outside, any thread

    def include_launch_description(self, launch_description: LaunchDescription) -> None:
        """Have the entities of the description visited."""
        self.emit_event(IncludeLaunchDescription(launch_description))

    def emit_event(self, event: Event) -> None:
        """Have an event handled, at once or when the service runs."""
        if self._loop is None:
            self._context.emit_event_sync(event)
        else:
            self._loop.call_soon_threadsafe(self._context.emit_event_sync, event)

    def shutdown(self, force_sync: bool = False) -> Coroutine[Any, Any, None] | None:
        """End the launch and its processes; does nothing where the service does not run.

        :return: in the service's own loop something to await, as upstream; else None.
        """
        loop = self._loop
        if loop is None:
            return None
        loop.call_soon_threadsafe(self._shutdown, 'LaunchService.shutdown() called', False)
        return asyncio.sleep(0) if asyncio._get_running_loop() is loop and not force_sync else None

    # ---- running

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        """Run until all is done and return the exit code: 0, or 1 after an error."""
        return asyncio.run(self.run_async(shutdown_when_idle=shutdown_when_idle))

    async def run_async(self, *, shutdown_when_idle: bool = True) -> int:
        """Run as :meth:`run` does, in a loop that runs already."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError('LaunchService can only be run in the main thread.')
        if self._loop is not None:
            raise RuntimeError('LaunchService cannot be run multiple times concurrently.')
        self._return_code = 0
        with self._running():
            log_launch_config(logger=self._logger)
            while not self._is_done(shutdown_when_idle):
                try:
                    await self._next()
                except Exception as error:
                    self._fail(error)
        return self._return_code

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._loop = self._context.asyncio_loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        handlers = {
            signal.SIGINT: self._on_sigint,
            signal.SIGTERM: self._on_sigterm,
            signal.SIGQUIT: self._on_sigterm,
        }
        for number, handler in handlers.items():
            self._loop.add_signal_handler(number, handler, number)
        try:
            yield
        finally:
            for number in handlers:
                self._loop.remove_signal_handler(number)
            self._loop = self._context.asyncio_loop = None
            self._shutting_down = False

    def _is_done(self, shutdown_when_idle: bool) -> bool:
        self._futures = [future for future in self._futures if not future.done()]
        pending = self._context._completion_futures
        pending[:] = [future for future in pending if not future.done()]
        idle = not self._futures and not pending and self._context._event_queue.empty()
        if idle and shutdown_when_idle and not self._shutting_down:
            self._shutdown('idle', due_to_sigint=False)
            return False
        return idle and self._shutting_down

    async def _next(self) -> None:
        """Handle one event, or wait until an event comes or some work is done."""
        queue = self._context._event_queue
        if not queue.empty():
            self._handle(queue.get_nowait())
            return
        event = asyncio.ensure_future(queue.get())
        waiting = [event, *self._futures, *self._context._completion_futures]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if event in done:
            self._handle(event.result())
        else:
            event.cancel()  # else it would swallow the next event
        for future in done - {event}:
            future.result()

    def _handle(self, event: Event) -> None:
        context = self._context
        for handler in tuple(context._event_handlers):
            if handler.matches(event):
                context._push_locals()
                try:
                    for entity in entities_of(handler.handle(event, context)):
                        self._visit(entity)
                finally:
                    context._pop_locals()

    def _visit(self, entity: LaunchDescriptionEntity) -> None:
        sub_entities = entity.visit(self._context)
        future = entity.get_asyncio_future()
        if future is not None:
            self._futures.append(future)
        for sub_entity in sub_entities or ():
            self._visit(sub_entity)

    # ---- ending

    def _fail(self, error: Exception) -> None:
        message = f'Caught exception in launch (see debug for traceback): {error}'
        self._logger.debug(''.join(traceback.format_exception(error)))
        self._logger.error(message)
        self._return_code = 1
        self._shutdown(message, due_to_sigint=False)

    def _shutdown(self, reason: str, due_to_sigint: bool) -> None:
        if not self._shutting_down:
            self._context.emit_event_sync(Shutdown(reason=reason, due_to_sigint=due_to_sigint))
        self._on_shutdown()

    def _on_shutdown(self, *_: Any) -> None:
        self._shutting_down = self._context.is_shutdown = True

    def _on_sigint(self, number: int) -> None:
        again = ' again, ignoring...' if self._shutting_down else ''
        self._logger.warning(f'user interrupted with ctrl-c (SIGINT){again}')
        self._shutdown('ctrl-c (SIGINT)', due_to_sigint=True)

    def _on_sigterm(self, number: int) -> None:
        """End as at Ctrl-C; upstream would leave the processes behind."""
        name = signal.Signals(number).name
        self._logger.error(f'user interrupted with ctrl-\\ ({name}), terminating...')
        self._return_code = 1
        self._shutdown(name, due_to_sigint=False)
