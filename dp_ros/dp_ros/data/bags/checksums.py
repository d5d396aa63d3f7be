# SPDX-License-Identifier: Apache-2.0
"""Check the files of a bag for damage, by MCAP's checksums and SQLite's own check.

MCAP may hold checksums of each chunk, of the data section and of the summary; zero means that it
was not calculated (https://mcap.dev/spec). SQLite has none: an altered value goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
import itertools
import mmap
from pathlib import Path
import sqlite3
import struct
from struct import Struct
from typing import Final
from zlib import crc32

from dp_ros.outside import check_yaml

_HEADER: Final = Struct('<BQ')  # kind and length of a record
_U32: Final = Struct('<I')
_U64: Final = Struct('<Q')
_MAGIC: Final = 8
_QOS: Final = 'offered_qos_profiles'
_FOOTER, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x02, 0x04, 0x05, 0x06, 0x0F
# Offset of the checksum in records of these kinds [bytes].
_CRC_AT: Final = {_CHUNK: 24, _DATA_END: 0, _FOOTER: 16}


class DamageError(ValueError):
    """A file is damaged; the message says where."""


def check_files(bag: Path) -> bool:
    """Check the files of a bag's folder.

    :returns: whether all messages have a checksum.
    :raises DamageError: for a file that is damaged.
    """
    known = {'.mcap': _check_mcap, '.db3': _check_sqlite}
    files = [file for file in sorted(bag.iterdir()) if file.suffix in known]
    checked = [known[file.suffix](file) for file in files]
    return all(checked) and bool(files)


def seal(file: Path) -> None:
    """Add the checksums to an uncompressed MCAP file that was written without them."""
    with file.open('r+b') as opened, mmap.mmap(opened.fileno(), 0) as data:
        for kind, begin, _ in _records(data):
            if kind in _CRC_AT:
                at = begin + _CRC_AT[kind]
                _U32.pack_into(data, at, _crcs(data, kind, begin)[0])


def _check_mcap(file: Path) -> bool:
    try:
        with file.open('rb') as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as data:
            return _check_records(data)
    except (ValueError, struct.error) as error:
        reason = error if file.stat().st_size else 'empty'
        raise DamageError(f'{file.name}: {reason}') from error


def _check_records(data: mmap.mmap) -> bool:
    """Check the records of a file; return whether all messages have a checksum."""
    lacking = whole = ended = False
    for kind, begin, end in _records(data):
        if kind == _MESSAGE:
            lacking = True
        elif kind == _CHANNEL:
            _check_channel(data[begin:end])
        elif kind in _CRC_AT:
            at = begin + _CRC_AT[kind]
            (stored,) = _U32.unpack_from(data, at)
            if stored and stored not in _crcs(data, kind, begin):
                raise DamageError(f'altered: the checksum at byte {at} does not match')
            lacking |= kind == _CHUNK and not stored
            whole |= kind == _DATA_END and bool(stored)
            ended |= kind == _DATA_END
    if not ended or end + _MAGIC != len(data):
        raise DamageError(f'altered: its last record ends at byte {end} of {len(data)}')
    return whole or not lacking


def _records(data: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """Yield the kind, the begin and the end of the content of each record.

    :raises DamageError: where a record does not fit into the file.
    """
    place, kind = _MAGIC, -1
    while kind != _FOOTER:
        begin = place + _HEADER.size
        kind, length = _HEADER.unpack_from(data, place) if begin <= len(data) else (0, 0)
        place = begin + length
        if not kind or place > len(data) or kind in _CRC_AT and length < _CRC_AT[kind] + 4:
            raise DamageError(
                f'cut off or altered: no record ends where that of byte {begin} does'
            )
        yield kind, begin, place


def _crcs(data: mmap.mmap, kind: int, begin: int) -> tuple[int, ...]:
    """Return the possible values of the checksum in a record; `seal` writes the first."""
    with memoryview(data) as view:
        if kind == _CHUNK:
            return _chunk_crc(view, begin)
        if kind == _FOOTER:
            (start,) = _U64.unpack_from(view, begin)
            with view[start or begin - _HEADER.size : begin + _CRC_AT[_FOOTER]] as part:
                return (crc32(part),)
        # Some writers start from the first byte of the file, others from its first record.
        _, length = _HEADER.unpack_from(view, _MAGIC)
        starts = (0, _MAGIC, _MAGIC + _HEADER.size + length)
        return tuple(_part_crc(view, start, begin - _HEADER.size) for start in starts)


def _part_crc(view: memoryview, start: int, end: int) -> int:
    with view[start:end] as part:
        return crc32(part)


def _chunk_crc(view: memoryview, begin: int) -> tuple[int, ...]:
    """Return the checksum of a chunk's records; rosbags checks that of compressed ones."""
    at = begin + _CRC_AT[_CHUNK] + 4
    (named,) = _U32.unpack_from(view, at)
    if named:
        return _U32.unpack_from(view, begin + _CRC_AT[_CHUNK])
    (size,) = _U64.unpack_from(view, at + 4)
    return (_part_crc(view, at + 12, at + 12 + size),)


def _check_channel(content: bytes) -> None:
    """Check the YAML texts of a channel, which rosbags parses.

    :raises OutsideError: for a text that is nested too deep.
    """
    texts = list(_texts(content))
    for key, value in zip(texts[2::2], texts[3::2], strict=False):
        if key == _QOS:
            check_yaml(value, f'{_QOS} of {texts[0]}')


def _texts(content: bytes) -> Iterator[str]:
    """Yield a channel's topic, its encoding, and the keys and values of its metadata."""
    place = 4
    for index in itertools.count():
        place += 4 * (index == 2)  # the length of the metadata
        if place >= len(content):
            return
        (length,) = _U32.unpack_from(content, place)
        place += 4 + length
        yield content[place - length : place].decode()


def _check_sqlite(file: Path) -> bool:
    """Check the structure of a database; its values have no checksums."""
    try:
        with closing(sqlite3.connect(f'file:{file}?immutable=1', uri=True)) as database:
            (found,) = database.execute('PRAGMA quick_check(1)').fetchone()
            columns = [row[1] for row in database.execute('PRAGMA table_info(topics)')]
            asked = f'SELECT {_QOS} FROM topics' if _QOS in columns else 'SELECT 1 WHERE 0'
            profiles = [text for (text,) in database.execute(asked)]
    except sqlite3.Error as error:
        raise DamageError(f'{file.name}: {error}') from error
    for text in profiles:
        check_yaml(str(text), f'{file.name}: {_QOS}')
    if found != 'ok':
        raise DamageError(f'{file.name}: altered: {" ".join(found.split())}')
    return False
