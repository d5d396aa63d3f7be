# SPDX-License-Identifier: Apache-2.0
"""The command of a process: its words, its name in the log, its folder and its environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import itertools
import os
import re
import shlex
from typing import Any

from ..launch_context import LaunchContext
from ..substitution import SomeSubstitutionsType, Substitution
from ..substitutions import LaunchConfiguration
from ..utilities import normalize_to_list_of_substitutions, perform, perform_substitutions

Environment = Mapping[SomeSubstitutionsType, SomeSubstitutionsType]

_numbers = itertools.count(1)


class ProcessCommand:
    """A command, to be performed when it is executed.

    :param prefix: words before the command, by default the configuration `launch-prefix`, for the
        programs whose name matches `launch-prefix-filter`.
    :param env: the whole environment; None: that of the launch.
    """

    def __init__(
        self,
        cmd: Iterable[SomeSubstitutionsType],
        prefix: SomeSubstitutionsType | None,
        name: SomeSubstitutionsType | None,
        cwd: SomeSubstitutionsType | None,
        env: Environment | None,
        additional_env: Environment | None,
    ) -> None:
        self.words = [normalize_to_list_of_substitutions(word) for word in cmd]
        self._prefix, self._name, self._cwd = (
            None if some is None else normalize_to_list_of_substitutions(some)
            for some in (prefix, name, cwd)
        )
        self._env = None if env is None else _normalized(env)
        self._additional_env = _normalized(additional_env or {})

    def perform(self, context: LaunchContext) -> dict[str, Any]:
        """Return name, cmd, cwd and env as process events carry them."""
        words = [perform_substitutions(context, word) for word in self.words]
        words = [*self._prefix_words(context, words[0]), *words]
        name = os.path.basename(words[0]) if self._name is None else perform(context, self._name)
        env = dict(context.environment)
        if self._env is not None:
            env = _performed(context, self._env)
        return {
            'name': f'{name}-{next(_numbers)}',
            'cmd': words,
            'cwd': None if self._cwd is None else perform(context, self._cwd),
            'env': {**env, **_performed(context, self._additional_env)},
        }

    def _prefix_words(self, context: LaunchContext, program: str) -> list[str]:
        if self._prefix is not None:
            return shlex.split(perform(context, self._prefix))
        wanted = perform(context, LaunchConfiguration('launch-prefix-filter', default=''))
        if re.match(wanted, os.path.basename(program)) is None:
            return []
        return shlex.split(perform(context, LaunchConfiguration('launch-prefix', default='')))


def _normalized(environment: Environment) -> list[list[list[Substitution]]]:
    return [
        [normalize_to_list_of_substitutions(some) for some in item] for item in environment.items()
    ]


def _performed(
    context: LaunchContext, environment: list[list[list[Substitution]]]
) -> dict[str, str]:
    return {
        perform_substitutions(context, name): perform_substitutions(context, value)
        for name, value in environment
    }
