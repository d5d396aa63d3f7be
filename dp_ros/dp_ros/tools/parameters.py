# SPDX-License-Identifier: Apache-2.0
"""Print the reference of all nodes' parameters as Markdown, made from their tables.

`ros2 run dp_ros parameters [NODE ...] > docs/parameters.md`
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
import importlib
import json
import pkgutil
import sys

import dp_ros.nodes
from dp_ros.parameters import Parameter, ParameterTable

COLUMNS = ('parameter', 'type', 'default', 'allowed', 'while running', 'meaning')


def main() -> int:
    """Print the reference."""
    tables = {table.node: table for table in node_tables()}
    args = _parse(sys.argv[1:], list(tables))
    print(reference(tables[name] for name in args.nodes or tables), end='')
    return 0


def _parse(argv: Sequence[str], nodes: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros parameters', description=__doc__)
    parser.add_argument('nodes', nargs='*', metavar='NODE', help='all if none is named')
    args = parser.parse_args(argv)
    for name in args.nodes:
        if name not in nodes:
            parser.error(f'no node {name!r}; there are {", ".join(nodes)}')
    return args


def node_tables() -> Iterator[ParameterTable]:
    """Give the table of every node, by node name."""
    for module in pkgutil.iter_modules(dp_ros.nodes.__path__):
        if module.name.endswith('_parameters') and module.name != 'live_parameters':
            yield importlib.import_module(f'dp_ros.nodes.{module.name}').PARAMETERS


def reference(tables: Iterable[ParameterTable]) -> str:
    """Return the reference page of some nodes."""
    head = '# Parameters\n\nPrinted by `ros2 run dp_ros parameters` from the tables in the code.\n'
    return '\n'.join([head, *(section(table) for table in tables)])


def section(table: ParameterTable) -> str:
    """Return one node's section: a heading and a table."""
    rows = [COLUMNS, tuple('---' for _ in COLUMNS), *(_cells(p) for p in table.values())]
    lines = ['| ' + ' | '.join(row) + ' |' for row in rows]
    return '\n'.join([f'## `{table.node}`', '', *lines, ''])


def _cells(parameter: Parameter) -> tuple[str, ...]:
    return (
        f'`{parameter.name}`',
        parameter.type_name,
        f'`{json.dumps(parameter.default, ensure_ascii=False)}`',
        _escape(parameter.limits) or 'any',
        'fixed' if parameter.read_only else 'live',
        _escape(parameter.description),
    )


def _escape(text: str) -> str:
    return text.replace('|', r'\|').replace('\n', ' ')


if __name__ == '__main__':
    sys.exit(main())
