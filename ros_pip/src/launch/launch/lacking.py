# SPDX-License-Identifier: Apache-2.0
"""Say of a name that upstream has, and this stand-in lacks, where it really is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

REAL_PACKAGE = 'the real package, ros-jazzy-launch (https://github.com/ros2/launch)'


def lacking(
    module: str, names: Iterable[str] = (), real_package: str = REAL_PACKAGE
) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a module that lacks ``names``."""
    known = frozenset(names)

    def getattribute(name: str) -> Any:
        if name in known:
            raise ImportError(f'{module}.{name} is not in this stand-in; it is in {real_package}')
        raise AttributeError(f'module {module!r} has no attribute {name!r}')

    return getattribute


def refuse_arguments(name: str, arguments: Iterable[str], lacked: Iterable[str]) -> None:
    """Refuse the arguments that upstream's class takes and the stand-in's does not.

    :raises NotImplementedError: when one of them is given.
    """
    for argument in set(arguments).intersection(lacked):
        raise NotImplementedError(
            f"{name}: this stand-in lacks the argument '{argument}'; it is in {REAL_PACKAGE}"
        )
