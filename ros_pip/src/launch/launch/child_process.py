# SPDX-License-Identifier: Apache-2.0
"""A child process that cannot outlive its parent, with its output as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
import ctypes
import os
import signal
import termios

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_LAST_WORDS = 1.0


class ChildProcess:
    """A running child; made by :meth:`start`.

    stdin stays open and empty, as upstream's: who reads it waits.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        outputs: tuple[asyncio.StreamReader, asyncio.StreamReader],
        stdin: int,
    ) -> None:
        self._process = process
        self._stdout, self._stderr = outputs
        self._stdin = stdin
        self.pid = process.pid

    @classmethod
    async def start(
        cls,
        cmd: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        shell: bool = False,
        emulate_tty: bool = False,
    ) -> ChildProcess:
        """Start the command.

        :param shell: have a shell read the words of the command.
        :param emulate_tty: give it a terminal, so that it prints line by line and in colour.
        :raises OSError: when it cannot be started.
        """
        channels = [_open_channel(emulate_tty) for _ in range(3)]
        if not emulate_tty:
            channels[0].reverse()
        theirs = dict(zip(('stdin', 'stdout', 'stderr'), (c[1] for c in channels), strict=True))
        words = ['/bin/sh', '-c', ' '.join(cmd)] if shell else cmd
        try:
            process = await asyncio.create_subprocess_exec(
                *words, cwd=cwd, env=env, preexec_fn=_die_with(os.getpid()), **theirs
            )
        except OSError:
            for ours, _ in channels:
                os.close(ours)
            raise
        finally:
            for fd in theirs.values():
                os.close(fd)
        stdin, *outputs = (ours for ours, _ in channels)
        return cls(process, tuple([await _reader(fd) for fd in outputs]), stdin)

    @property
    def is_running(self) -> bool:
        """Whether the child has not ended yet."""
        return self._process.returncode is None

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the child; does nothing where it has ended."""
        if self.is_running:
            self._process.send_signal(number)

    async def exits_within(self, seconds: float) -> bool:
        """Wait for the end, no longer than that; return whether it came."""
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def run(
        self, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
    ) -> int:
        """Hand over the output until the end; return the exit code, -N for signal N.

        What the child wrote before its end is all handed over; descendants of it that keep its
        output open are not waited for.
        """
        pumps = [
            asyncio.ensure_future(_pump(reader, sink))
            for reader, sink in ((self._stdout, on_stdout), (self._stderr, on_stderr))
        ]
        returncode = await self._process.wait()
        _, unfinished = await asyncio.wait(pumps, timeout=_LAST_WORDS)
        for pump in unfinished:
            pump.cancel()
        os.close(self._stdin)
        return returncode


def _die_with(parent: int) -> Callable[[], None]:
    def before_exec() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return before_exec


def _open_channel(tty: bool) -> list[int]:
    """Return our end and the child's end."""
    if not tty:
        return list(os.pipe())
    ours, theirs = os.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.ONLCR
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    return [ours, theirs]


async def _reader(fd: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, 'rb', buffering=0)
    )
    return reader


async def _pump(reader: asyncio.StreamReader, sink: Callable[[bytes], None]) -> None:
    async for data in _chunks(reader):
        sink(data)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while data := await reader.read(65536):
            yield data
    except OSError:  # how a terminal says that its other end is closed
        return
