# SPDX-License-Identifier: Apache-2.0
"""Message definitions as rosbag2 stores them: the .msg file and all it needs, in one text."""

from collections.abc import Iterator
import json
import re

from ..interfaces import definition_path

_SEPARATOR = '=' * 80
#: The type that a line of a .msg file starts with, without its bounds.
_FIELD_TYPE = re.compile(r'^\s*((?:\w+/)?[A-Z]\w*|\w+/\w+)(?:\[[^]]*\])?\s+\w+', re.MULTILINE)


def message_definition(name: str) -> str:
    """Return the definition of `package/msg/Name` and of the messages in it.

    :raises LookupError: for a message whose .msg file is not installed.
    """
    seen: set[str] = set()
    parts = [f'{_SEPARATOR}\nMSG: {dep}\n{text}' for dep, text in _closure(_short(name), seen)]
    return '\n'.join(parts).split('\n', 2)[2]


def type_hash(name: str) -> str:
    """Return the hash of `package/msg/Name`, for example `RIHS01_a13e…`.

    :raises LookupError: for a message whose type description is not installed.
    """
    path = definition_path(name).with_suffix('.json')
    try:
        hashes = json.loads(path.read_text())['type_hashes']
        return next(h['hash_string'] for h in hashes if h['type_name'] == name)
    except (OSError, KeyError, StopIteration):
        raise LookupError(f'no type hash of {name} in {path}') from None


def _short(name: str) -> str:
    return name.replace('/msg/', '/')


def _closure(name: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield a message and those in it, each once, as name and text."""
    if name in seen:
        return
    seen.add(name)
    package, base = name.split('/')
    text = definition_path(f'{package}/msg/{base}').read_text()
    yield name, text
    for needed in sorted(set(_FIELD_TYPE.findall(text))):
        yield from _closure(needed if '/' in needed else f'{package}/{needed}', seen)
