# SPDX-License-Identifier: Apache-2.0
"""Message definitions for bags: with them a bag is read where its messages are not installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore


def standard_types() -> Typestore:
    """Return the definitions of Jazzy's own messages."""
    return get_typestore(Stores.ROS2_JAZZY)


def define(store: Typestore, type_name: str, share_folder: Callable[[str], Path]) -> None:
    """Add a message type, `package/msg/Name`, and the types it is made of.

    :param share_folder: function that returns the folder of a package's `msg/*.msg`.
    :raises OSError: when a definition cannot be read.
    """
    found: dict[str, Any] = {}
    wanted = [type_name]
    while wanted:
        name = wanted.pop()
        if name in store.fielddefs or name in found:
            continue
        package, _, message = name.split('/')
        text = (share_folder(package) / 'msg' / f'{message}.msg').read_text()
        types = get_types_from_msg(text, name)
        found.update(types)
        for _, fields in types.values():
            for _, descriptor in fields:
                wanted += _names(descriptor)
    if found:
        store.register(found)


def _names(descriptor: Any) -> Iterator[str]:
    """Yield the names of the message types in a field's descriptor."""
    kind, content = descriptor
    if kind == Nodetype.NAME:
        yield content
    elif kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        yield from _names(content[0])
