# SPDX-License-Identifier: Apache-2.0
"""Run a process for as long as the launch lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
import os
import signal
import traceback
from typing import Any

from ..action import Action
from ..child_process import ChildProcess
from ..conditions import evaluate_condition_expression
from ..event import Event
from ..event_handlers import OnProcessExit, OnShutdown, ReactingEventHandler
from ..events import Shutdown
from ..events.process import (
    ProcessExited,
    ProcessStarted,
    ProcessStderr,
    ProcessStdout,
    ShutdownProcess,
    SignalProcess,
)
from ..lacking import refuse_arguments
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity, SomeEntitiesType
from ..logging import get_logger
from ..substitution import SomeSubstitutionsType
from ..substitutions import LaunchConfiguration
from ..typed_values import normalize_typed, perform_typed
from ..utilities import normalize_to_list_of_substitutions, perform, perform_substitutions
from .process_command import ProcessCommand
from .process_output import ProcessOutput

OnExit = SomeEntitiesType | Callable[[ProcessExited, LaunchContext], SomeEntitiesType | None]

_SIGTERM_TIMEOUT = LaunchConfiguration('sigterm_timeout', default=5)
_SIGKILL_TIMEOUT = LaunchConfiguration('sigkill_timeout', default=5)


class ExecuteProcess(Action):
    """Runs a command; at the launch's end it gets SIGINT, then SIGTERM, then SIGKILL.

    :param cmd: the words of the command, each may be made of substitutions.
    :param name: label in the log, by default the program's name; a number is added.
    :param output: 'screen', 'log' (stderr also on the screen), 'both', or a mapping of them.
    :param sigterm_timeout: time after SIGINT [s] until SIGTERM follows.
    :param sigkill_timeout: time after SIGTERM [s] until SIGKILL follows.
    :param on_exit: what follows when the process ended.
    :param respawn: start it again when it ended, after ``respawn_delay`` [s].
    """

    def __init__(
        self,
        *,
        cmd: Iterable[SomeSubstitutionsType],
        prefix: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        cwd: SomeSubstitutionsType | None = None,
        env: Mapping[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        additional_env: Mapping[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        shell: bool = False,
        sigterm_timeout: SomeSubstitutionsType = _SIGTERM_TIMEOUT,
        sigkill_timeout: SomeSubstitutionsType = _SIGKILL_TIMEOUT,
        emulate_tty: bool = False,
        output: SomeSubstitutionsType | Mapping[str, Any] = 'log',
        log_cmd: bool = False,
        on_exit: OnExit | None = None,
        respawn: bool | SomeSubstitutionsType = False,
        respawn_delay: float | None = None,
        respawn_max_retries: int = -1,
        **kwargs: Any,
    ) -> None:
        lacked = ('cached_output', 'output_format')
        refuse_arguments('launch.actions.ExecuteProcess', kwargs, lacked)
        super().__init__(**kwargs)
        self._command = ProcessCommand(cmd, prefix, name, cwd, env, additional_env)
        self._shell = shell
        self._timeouts = [
            normalize_to_list_of_substitutions(some) for some in (sigterm_timeout, sigkill_timeout)
        ]
        self._emulate_tty = emulate_tty
        output = os.environ.get('OVERRIDE_LAUNCH_PROCESS_OUTPUT', output)
        is_mapping = isinstance(output, Mapping)
        self._output = output if is_mapping else normalize_to_list_of_substitutions(output)
        self._log_cmd = log_cmd
        self._on_exit = on_exit
        self._respawn = normalize_typed(respawn, bool)
        self._respawn_delay = respawn_delay or 0.0
        self._respawns_left = respawn_max_retries
        self._child: ChildProcess | None = None
        self._work: asyncio.Task | None = None
        self._ending: asyncio.Task | None = None
        self.process_details: dict[str, Any] | None = None
        self.return_code: int | None = None

    @property
    def cmd(self) -> list[list[Any]]:
        """The words of the command, before they are performed."""
        return self._command.words

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Return what follows the end of the process, where that is known."""
        return self._on_exit if isinstance(self._on_exit, list) else []

    def get_asyncio_future(self) -> asyncio.Future | None:
        """Return what is done when the process ended for good."""
        return self._work

    def execute(self, context: LaunchContext) -> None:
        """Start the process, and listen to what concerns it."""
        if self.process_details is not None:
            raise RuntimeError(f'{self.describe()} was executed more than once')
        self.process_details = {'action': self, **self._command.perform(context)}
        if context.is_shutdown:
            return
        self._prepare(context)
        for handler in (
            OnShutdown(on_shutdown=self._on_shutdown),
            ReactingEventHandler(self._concerns(ShutdownProcess), self._on_shutdown_process),
            ReactingEventHandler(self._concerns(SignalProcess), self._on_signal_process),
            OnProcessExit(target_action=self, on_exit=self._on_exit),
        ):
            context.register_event_handler(handler)
        assert context.asyncio_loop is not None
        self._work = context.asyncio_loop.create_task(self._run())

    def _prepare(self, context: LaunchContext) -> None:
        name = self.process_details['name']
        configured = context.launch_configurations
        self._context = context
        self._logger = get_logger(name)
        self._stopping = asyncio.Event()
        self._sigterm_after, self._sigkill_after = (
            float(perform_substitutions(context, some)) for some in self._timeouts
        )
        self._respawn = perform_typed(context, self._respawn, bool)
        self._tty = _is_true(context, configured.get('emulate_tty', self._emulate_tty))
        output = self._output
        self._lines = ProcessOutput(
            name, output if isinstance(output, Mapping) else perform(context, output)
        )

    def _concerns(self, kind: type[Event]) -> Callable[[Event], bool]:
        return lambda event: isinstance(event, kind) and event.process_matcher(self)

    # ---- the process

    async def _run(self) -> None:
        while await self._run_once() and self._is_to_respawn():
            self._respawns_left -= 1
            try:
                await asyncio.wait_for(self._stopping.wait(), self._respawn_delay)
            except TimeoutError:
                continue
            return

    def _is_to_respawn(self) -> bool:
        return self._respawn and self._respawns_left != 0 and not self._stopping.is_set()

    async def _run_once(self) -> bool:
        details = self.process_details
        words = ' '.join(word for word in details['cmd'] if word.strip())
        if self._log_cmd:
            self._logger.info(f"process details: cmd='{words}', cwd='{details['cwd']}'")
        try:
            self._child = await ChildProcess.start(
                details['cmd'],
                cwd=details['cwd'],
                env=details['env'],
                shell=self._shell,
                emulate_tty=self._tty,
            )
        except OSError:
            error = traceback.format_exc()
            self._logger.error(f'exception occurred while executing process:\n{error}')
            return False
        pid = details['pid'] = self._child.pid
        self._logger.info(f'process started with pid [{pid}]')
        self._context.emit_event_sync(ProcessStarted(**details))
        if self._stopping.is_set():
            self._end(send_sigint=True)
        self.return_code = await self._child.run(self._on_stdout, self._on_stderr)
        self._lines.flush()
        if self.return_code == 0:
            self._logger.info(f'process has finished cleanly [pid {pid}]')
        else:
            self._logger.error(
                f"process has died [pid {pid}, exit code {self.return_code}, cmd '{words}']."
            )
        self._context.emit_event_sync(ProcessExited(returncode=self.return_code, **details))
        return True

    def _on_stdout(self, data: bytes) -> None:
        self._lines.on_stdout(data)
        self._context.emit_event_sync(ProcessStdout(text=data, **self.process_details))

    def _on_stderr(self, data: bytes) -> None:
        self._lines.on_stderr(data)
        self._context.emit_event_sync(ProcessStderr(text=data, **self.process_details))

    # ---- its end

    def _on_shutdown(self, event: Shutdown, context: LaunchContext) -> None:
        """End the process; at a Ctrl-C the terminal has sent it SIGINT already."""
        self._stop(send_sigint=not event.due_to_sigint or context.noninteractive)

    def _on_shutdown_process(self, event: ShutdownProcess, context: LaunchContext) -> None:
        self._stop(send_sigint=True)

    def _on_signal_process(self, event: SignalProcess, context: LaunchContext) -> None:
        self._signal(event.signal)

    def _stop(self, send_sigint: bool) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            self._end(send_sigint)

    def _end(self, send_sigint: bool) -> None:
        if self._child is not None and self._child.is_running:
            self._ending = asyncio.ensure_future(self._escalate(self._child, send_sigint))

    async def _escalate(self, child: ChildProcess, send_sigint: bool) -> None:
        if send_sigint:
            self._signal(signal.SIGINT)
        if await child.exits_within(self._sigterm_after):
            return
        self._insist(self._sigterm_after, signal.SIGINT, signal.SIGTERM)
        if await child.exits_within(self._sigkill_after):
            return
        waited = self._sigterm_after + self._sigkill_after
        self._insist(waited, signal.SIGTERM, signal.SIGKILL)

    def _insist(self, waited: float, before: signal.Signals, now: signal.Signals) -> None:
        self._logger.error(
            f"process[{self.process_details['name']}] failed to terminate '{waited:g}' seconds "
            f"after receiving '{before.name}', escalating to '{now.name}'"
        )
        self._signal(now)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.is_running:
            name = self.process_details['name']
            self._logger.info(f"sending signal '{number.name}' to process[{name}]")
            self._child.send_signal(number)


def _is_true(context: LaunchContext, some: bool | SomeSubstitutionsType) -> bool:
    if isinstance(some, bool):
        return some
    return evaluate_condition_expression(context, normalize_to_list_of_substitutions(some))
