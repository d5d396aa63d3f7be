# SPDX-License-Identifier: Apache-2.0
"""Substitutions by programs of this machine."""

from __future__ import annotations

import shlex
import shutil
import subprocess

from ..launch_context import LaunchContext
from ..logging import get_logger
from ..substitution import SomeSubstitutionsType, Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from .failure import SubstitutionFailure

_ON_STDERR = ('fail', 'ignore', 'warn', 'capture')


class FindExecutable(Substitution):
    """The path of a program."""

    def __init__(self, *, name: SomeSubstitutionsType) -> None:
        self.name = normalize_to_list_of_substitutions(name)

    def describe(self) -> str:
        """Return a description for people."""
        return f'FindExec({" + ".join(sub.describe() for sub in self.name)})'

    def perform(self, context: LaunchContext) -> str:
        """Return the path.

        :raises SubstitutionFailure: when it is not on the PATH.
        """
        name = perform_substitutions(context, self.name)
        path = shutil.which(name)
        if path is None:
            raise SubstitutionFailure(f"executable '{name}' not found on the PATH")
        return path


class Command(Substitution):
    """What a command prints.

    :param on_stderr: what output on stderr does: 'fail', 'ignore', 'warn', or 'capture'.
    """

    def __init__(
        self, command: SomeSubstitutionsType, *, on_stderr: SomeSubstitutionsType = 'fail'
    ) -> None:
        self.command = normalize_to_list_of_substitutions(command)
        self.on_stderr = normalize_to_list_of_substitutions(on_stderr)

    def describe(self) -> str:
        """Return a description for people."""
        return f'Command({" + ".join(sub.describe() for sub in self.command)})'

    def perform(self, context: LaunchContext) -> str:
        """Return the output.

        :raises SubstitutionFailure: when the command is not there, fails, or writes to stderr.
        """
        command = perform_substitutions(context, self.command)
        on_stderr = perform_substitutions(context, self.on_stderr)
        if on_stderr not in _ON_STDERR:
            raise SubstitutionFailure(f"expected 'on_stderr' to be one of: {_ON_STDERR}")
        stderr = subprocess.STDOUT if on_stderr == 'capture' else subprocess.PIPE
        try:
            done = subprocess.run(
                shlex.split(command), stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        except FileNotFoundError as error:
            raise SubstitutionFailure(f'file not found: {error}') from error
        if done.returncode != 0:
            raise SubstitutionFailure(
                f'executed command failed. Command: {command}\n{done.stderr or ""}'.rstrip()
            )
        if done.stderr and on_stderr in ('fail', 'warn'):
            self._complain(
                f'executed command showed stderr output. Command: {command}\n'
                f'Captured stderr output:\n{done.stderr}',
                on_stderr,
            )
        return done.stdout

    @staticmethod
    def _complain(message: str, on_stderr: str) -> None:
        if on_stderr == 'fail':
            raise SubstitutionFailure(message)
        get_logger().warning(message)
