# SPDX-License-Identifier: Apache-2.0
"""Events of the processes of a launch."""

from __future__ import annotations

from collections.abc import Callable
import signal
from typing import TYPE_CHECKING

from ..event import Event
from ..lacking import lacking

if TYPE_CHECKING:
    from ..action import Action

__all__ = [
    'ProcessExited',
    'ProcessIO',
    'ProcessStarted',
    'ProcessStderr',
    'ProcessStdout',
    'ShutdownProcess',
    'SignalProcess',
]

__getattr__ = lacking(
    __name__,
    ('ProcessStdin', 'ProcessTargetedEvent', 'RunningProcessEvent')
    + ('matches_executable', 'matches_name', 'matches_pid'),
)


class _RunningProcessEvent(Event):
    """Something that a process did."""

    def __init__(
        self,
        *,
        action: Action,
        name: str,
        cmd: list[str],
        cwd: str | None,
        env: dict[str, str] | None,
        pid: int,
    ) -> None:
        self.action = action
        self.process_name = name
        self.cmd = cmd
        self.cwd = cwd
        self.env = env
        self.pid = pid


class ProcessStarted(_RunningProcessEvent):
    """A process runs."""

    name = 'launch.events.process.ProcessStarted'


class ProcessExited(_RunningProcessEvent):
    """A process ended with ``returncode``; negative: by that signal."""

    name = 'launch.events.process.ProcessExited'

    def __init__(self, *, returncode: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.returncode = returncode


class ProcessIO(_RunningProcessEvent):
    """A process wrote ``text`` to the stream with number ``fd``."""

    name = 'launch.events.process.ProcessIO'

    def __init__(self, *, text: bytes, fd: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.fd = fd

    @property
    def from_stdout(self) -> bool:
        """Whether the text was written to stdout."""
        return self.fd == 1

    @property
    def from_stderr(self) -> bool:
        """Whether the text was written to stderr."""
        return self.fd == 2


class ProcessStdout(ProcessIO):
    """A process wrote to stdout."""

    name = 'launch.events.process.ProcessStdout'

    def __init__(self, *, text: bytes, **kwargs: object) -> None:
        super().__init__(text=text, fd=1, **kwargs)


class ProcessStderr(ProcessIO):
    """A process wrote to stderr."""

    name = 'launch.events.process.ProcessStderr'

    def __init__(self, *, text: bytes, **kwargs: object) -> None:
        super().__init__(text=text, fd=2, **kwargs)


class ShutdownProcess(Event):
    """Processes are to end: SIGINT, then SIGTERM, then SIGKILL."""

    name = 'launch.events.process.ShutdownProcess'

    def __init__(self, *, process_matcher: Callable[[Action], bool]) -> None:
        self.process_matcher = process_matcher


class SignalProcess(Event):
    """Processes are to be signalled."""

    name = 'launch.events.process.SignalProcess'

    def __init__(
        self, *, signal_number: signal.Signals, process_matcher: Callable[[Action], bool]
    ) -> None:
        self.signal = signal.Signals(signal_number)
        self.process_matcher = process_matcher

    @property
    def signal_name(self) -> str:
        """Name of the signal: 'SIGINT' …."""
        return self.signal.name
