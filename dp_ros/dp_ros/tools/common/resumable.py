# SPDX-License-Identifier: Apache-2.0
"""Tools that keep what they have measured, so that the same command goes on after an interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import json
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console


class Named(Protocol):
    """One measurement, known by its name in the results."""

    @property
    def name(self) -> str:
        """Name of the measurement in the results."""


Case = TypeVar('Case', bound=Named)


def run_resumable(tool: str, work: Callable[[Console], None], *errors: type[Exception]) -> int:
    """Run the work of a tool, and say how it ended if it did not succeed.

    :param errors: errors that are told in a line, without a traceback.
    :returns: exit code: 1 for such an error, 130 after an interrupt.
    """
    console = Console()
    try:
        work(console)
    except errors as error:
        console.print(f'{tool}: {error}', style='red', markup=False)
        return 1
    except KeyboardInterrupt:
        console.print('interrupted; the same command goes on')
        return 130
    return 0


def measure_all(
    file: Path, cases: Iterable[Case], measure: Callable[[Case], dict[str, Any]]
) -> dict[str, Any]:
    """Measure the cases that a JSON file does not hold yet, and store it after each one.

    :returns: the results by the names of their cases, also those of earlier calls.
    """
    results: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    for case in cases:
        if case.name not in results:
            results[case.name] = measure(case)
            file.write_text(json.dumps(results, indent=1) + '\n')
    return results
