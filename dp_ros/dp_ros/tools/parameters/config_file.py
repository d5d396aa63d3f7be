# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes as a parameter file: YAML with meanings, units and limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import indent, wrap

from dp_ros.ros.parameters import Parameter, ParameterTable, Value
import yaml

_HEAD = """\
# Every parameter of every node, with its meaning and its default.
# Printed from the code by `ros2 run dp_ros parameters --yaml`.
"""
_WIDTH = 99
_LIST_WIDTH = 80  # A list goes on in the next line after the value that passes this column.
_SHIFT = '  '


def config_file(tables: Iterable[ParameterTable]) -> str:
    """Return a parameter file with the defaults of some nodes, in any namespace."""
    sections = [
        f'/**/{table.node}:\n{_SHIFT}ros__parameters:\n' + '\n'.join(_lines(table)) + '\n'
        for table in tables
    ]
    return '\n'.join([_HEAD, *sections])


def _lines(table: ParameterTable) -> Iterator[str]:
    groups: list[str] = []
    for name, parameter in table.items():
        *path, last = name.split('.')
        for depth, group in enumerate(path):
            if groups[depth : depth + 1] != [group]:
                groups[depth:] = path[depth:]
                yield from (
                    _SHIFT * (2 + level) + f'{path[level]}:' for level in range(depth, len(path))
                )
                break
        del groups[len(path) :]
        shift = _SHIFT * (2 + len(path))
        for line in wrap(_meaning(parameter), _WIDTH - len(shift) - 2):
            yield f'{shift}# {line}'
        yield indent(_assignment(last, parameter.default, len(shift)), shift)


def _meaning(parameter: Parameter) -> str:
    limits = f' {parameter.limits[0].upper()}{parameter.limits[1:]}.' if parameter.limits else ''
    fixed = ' Fixed while the node runs.' if parameter.read_only else ''
    return f'{parameter.description}{limits}{fixed}'


def _assignment(name: str, value: Value, shift: int) -> str:
    style = None if isinstance(value, list) else False  # Lists on a line, as far as they fit.
    text: str = yaml.safe_dump({name: value}, width=_LIST_WIDTH - shift, default_flow_style=style)
    return text.rstrip()
