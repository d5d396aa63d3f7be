# SPDX-License-Identifier: Apache-2.0
"""Reading of foreign YAML, JSON and XML; depth and size are limited before values are made.

PyYAML and json go as deep as the text does, which can crash the process or raise RecursionError.
A short text of YAML or XML can stand for gigabytes, by aliases of aliases or entities of entities.
"""

from __future__ import annotations

from collections.abc import Iterable
import json
from pathlib import Path
import re
from typing import Any, Final
from xml.etree import ElementTree as Xml

import yaml

MOST_BYTES: Final = 16_000_000
MOST_DEPTH: Final = 64
MOST_NODES: Final = 1_000_000
MOST_XML: Final = 1_000_000
"""Most characters of an XML text; a robot's description has a tenth of that."""
MOST_ELEMENTS: Final = 10_000
"""Most elements of an XML text; a robot's description has a thousand."""
_MOST_DIGITS: Final = 2000
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class OutsideError(ValueError):
    """A text cannot be read; the message names it, the line and what is wrong."""


def read_yaml(file: Path) -> Any:
    """Read a file.

    :raises OutsideError: when it is broken, too large or too deep.
    :raises OSError: when it cannot be opened.
    """
    return parse_yaml(_text(file), str(file))


def parse_yaml(text: str, what: str) -> Any:
    """Read a YAML text; ``what`` names it in errors.

    :raises OutsideError: when it is broken, too large or too deep.
    """
    check_yaml(text, what)
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise _broken(error, what) from error
    except Exception as error:  # For example ValueError, for a date that does not exist.
        raise OutsideError(f'{what}: cannot be read: {type(error).__name__}: {error}') from error


def check_yaml(text: str, what: str) -> None:
    """Check that a text of YAML is small enough for any parser.

    :raises OutsideError: naming the line.
    """
    if len(text) > MOST_BYTES:
        raise OutsideError(f'{what}: cannot be read: over {MOST_BYTES} characters')
    try:
        _bound(yaml.parse(text, _Loader), what)
    except yaml.YAMLError as error:
        raise _broken(error, what) from error


def _bound(events: Iterable[yaml.Event], what: str) -> None:
    """Limit depth and number of nodes; an alias counts as much as it stands for."""
    sizes: dict[str, int] = {}
    nodes: list[tuple[str | None, int]] = [(None, 0)]  # open nodes: anchor, size
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            _add(nodes, sizes.get(event.anchor, MOST_NODES + 1))  # missing: it stands for itself
        elif isinstance(event, yaml.NodeEvent):
            nodes.append((event.anchor, 1))
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionEndEvent):
            anchor, size = nodes.pop()
            sizes |= {anchor: size} if anchor else {}
            _add(nodes, size)
        where = f'{what}: cannot be read: line {event.start_mark.line + 1}'
        if len(nodes) > MOST_DEPTH + 1:
            raise OutsideError(f'{where} is nested deeper than {MOST_DEPTH} levels')
        if nodes[-1][1] > MOST_NODES:
            raise OutsideError(f'{where} stands for more than {MOST_NODES} values')
        if isinstance(event, yaml.ScalarEvent) and _is_long_number(event):
            raise OutsideError(f'{where} has a number of {len(event.value)} digits')


def _add(nodes: list[tuple[str | None, int]], size: int) -> None:
    anchor, held = nodes[-1]
    nodes[-1] = anchor, held + size


def _is_long_number(event: yaml.ScalarEvent) -> bool:
    """Tell whether a scalar is a number whose parsing takes quadratic time."""
    could_be = event.tag or (event.implicit[0] and re.match(r'[-+.\d]', event.value))
    return bool(could_be) and len(event.value) > _MOST_DIGITS


def _broken(error: yaml.YAMLError, what: str) -> OutsideError:
    mark = getattr(error, 'problem_mark', None)
    where = f'line {mark.line + 1}: ' if mark else ''
    problem = getattr(error, 'problem', None) or str(error)
    return OutsideError(f'{what}: cannot be read: {where}{" ".join(problem.split())}')


def read_json(file: Path) -> Any:
    """Read a file.

    :raises OutsideError: when it is broken, too large or too deep.
    :raises OSError: when it cannot be opened.
    """
    return parse_json(_text(file), str(file))


def parse_json(text: str, what: str) -> Any:
    """Read a JSON text; ``what`` names it in errors.

    :raises OutsideError: when it is broken or too deep.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(what) from None
    except ValueError as error:
        raise OutsideError(f'{what}: cannot be read: {error}') from error
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [inner for each in level for inner in _inside(each)]
    if level:
        raise _too_deep(what)
    return value


def parse_xml(text: str, what: str) -> Xml.Element:
    """Read an XML text without a DOCTYPE; ``what`` names it in errors.

    :raises OutsideError: when it is broken, too large or too deep.
    """
    if len(text) > MOST_XML:
        raise OutsideError(f'{what}: cannot be read: over {MOST_XML} characters')
    try:
        return Xml.fromstring(text, Xml.XMLParser(target=_BoundedTree(what)))
    except OutsideError:
        raise
    except (Xml.ParseError, ValueError) as error:  # ValueError: half a surrogate pair.
        raise OutsideError(f'{what}: cannot be read: {error}') from error


class _BoundedTree(Xml.TreeBuilder):
    """Builds a tree of elements, neither too deep nor too many."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what, self._depth, self._count = what, 0, 0

    def start(self, tag: str, attrs: dict[str, str]) -> Xml.Element:  # type: ignore[override]
        self._depth += 1
        self._count += 1
        if self._depth > MOST_DEPTH:
            raise _too_deep(self._what)
        if self._count > MOST_ELEMENTS:
            raise OutsideError(f'{self._what}: cannot be read: over {MOST_ELEMENTS} elements')
        return super().start(tag, attrs)

    def end(self, tag: str) -> Xml.Element:
        self._depth -= 1
        return super().end(tag)

    def doctype(self, *_: str | None) -> None:
        raise OutsideError(f'{self._what}: cannot be read: it has a DOCTYPE')


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep(what: str) -> OutsideError:
    return OutsideError(f'{what}: cannot be read: nested deeper than {MOST_DEPTH} levels')


def _text(file: Path) -> str:
    """Read a text file of at most `MOST_BYTES`.

    :raises OutsideError: for a larger file, or one that holds no text.
    """
    with file.open('rb') as opened:
        size = file.stat().st_size or MOST_BYTES  # The size of a pipe is not known.
        data = opened.read(min(size, MOST_BYTES) + 1)
    if len(data) > MOST_BYTES:
        raise OutsideError(f'{file}: cannot be read: over {MOST_BYTES} bytes')
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise OutsideError(f'{file}: cannot be read: {error}') from error
