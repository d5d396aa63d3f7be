# SPDX-License-Identifier: Apache-2.0
"""Print the reference of the nodes as Markdown, or their parameter file.

`ros2 run dp_ros parameters [--topics] [NODE ...]` prints the parameters of each node from its
table. With `--topics` it starts each node and prints its topics, services and actions too.
With `--yaml` it prints a parameter file, for `config:=` of the launch files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
import importlib
import json
import pkgutil
import sys

import dp_ros.nodes
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.tools.parameters.config_file import config_file

Rows = Sequence[tuple[str, str, str, str]]

INTERFACE_COLUMNS = ('', 'name', 'type', 'quality of service')
COLUMNS = ('parameter', 'type', 'default', 'allowed', 'while running', 'meaning')


def main() -> int:
    """Print the reference."""
    tables = {table.node: table for table in node_tables()}
    args = _parse(sys.argv[1:], list(tables))
    chosen = [tables[name] for name in args.nodes or tables]
    if args.yaml:
        print(config_file(chosen), end='')
    else:
        print(reference(chosen, _interfaces(chosen) if args.topics else {}), end='')
    return 0


def _parse(argv: Sequence[str], nodes: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros parameters', description=__doc__)
    parser.add_argument('nodes', nargs='*', metavar='NODE', help='nodes to print (default: all)')
    parser.add_argument(
        '--topics', action='store_true', help='print topics, services and actions too'
    )
    parser.add_argument('--yaml', action='store_true', help='print a parameter file instead')
    args = parser.parse_args(argv)
    for name in args.nodes:
        if name not in nodes:
            parser.error(f'no node {name!r}; there are {", ".join(nodes)}')
    return args


def _interfaces(tables: Iterable[ParameterTable]) -> dict[str, Rows]:
    from dp_ros.tools.parameters.interfaces import node_interfaces

    return {table.node: node_interfaces(table) for table in tables}


def node_tables() -> Iterator[ParameterTable]:
    """Yield the table of every node, in the order of their names."""
    for module in pkgutil.walk_packages(dp_ros.nodes.__path__, 'dp_ros.nodes.'):
        if module.name.endswith('.parameters'):
            yield importlib.import_module(module.name).PARAMETERS


def reference(tables: Iterable[ParameterTable], interfaces: Mapping[str, Rows]) -> str:
    """Return the reference page of some nodes."""
    head = '# Nodes\n\nPrinted from the code by `ros2 run dp_ros parameters --topics`.\n'
    return '\n'.join([head, *(section(table, interfaces.get(table.node)) for table in tables)])


def section(table: ParameterTable, interfaces: Rows | None = None) -> str:
    """Return the section of one node: a heading and its tables."""
    lines = [f'## `{table.node}`', '']
    if interfaces is not None:
        rows = [(role, f'`{name}`', kind, qos) for role, name, kind, qos in interfaces]
        lines += [*_table(INTERFACE_COLUMNS, rows), '']
    return '\n'.join([*lines, *_table(COLUMNS, map(_cells, table.values())), ''])


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (columns, tuple('---' for _ in columns), *rows):
        yield f'| {" | ".join(row)} |'


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
