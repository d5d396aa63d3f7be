# SPDX-License-Identifier: Apache-2.0
"""Check the files of a bag for damage, by MCAP's checksums and SQLite's own check.

MCAP may hold checksums of each chunk, of the data section and of the summary; zero means that it
was not calculated (https://mcap.dev/spec). SQLite has none: an altered value goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
import mmap
from pathlib import Path
import sqlite3
import struct
from typing import Final
from zlib import crc32

from dp_ros.data.bags.mcap import (
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    HEADER,
    MAGIC,
    MESSAGE,
    U32,
    U64,
    DamageError,
    is_cut_off,
    mapped,
    records,
    texts,
)
from dp_ros.outside import check_yaml

_QOS: Final = 'offered_qos_profiles'
# Offset of the checksum in records of these kinds [bytes].
_CRC_AT: Final = {CHUNK: 24, DATA_END: 0, FOOTER: 16}


@dataclass(frozen=True)
class Soundness:
    """What a check of files found.

    :param has_checksums: whether all messages have a checksum.
    :param cut: text that says where a file was cut off; empty where all are whole.
    """

    has_checksums: bool
    cut: str = ''


def check_files(files: Sequence[Path]) -> Soundness:
    """Check the files of a bag.

    :raises DamageError: for a file that is damaged.
    """
    known = {'.mcap': _check_mcap, '.db3': _check_sqlite}
    found = [known[file.suffix](file) for file in files if file.suffix in known]
    cut = '; '.join(each.cut for each in found if each.cut)
    return Soundness(bool(found) and all(each.has_checksums for each in found), cut)


def seal(file: Path) -> None:
    """Add the checksums to an uncompressed MCAP file that was written without them."""
    with file.open('r+b') as opened, mmap.mmap(opened.fileno(), 0) as data:
        for kind, begin, _ in records(data):
            if kind in _CRC_AT:
                at = begin + _CRC_AT[kind]
                U32.pack_into(data, at, _crcs(data, kind, begin)[0])


def _check_mcap(file: Path) -> Soundness:
    try:
        with mapped(file) as data:
            lacking, end = _check_records(data)
            if not is_cut_off(data):
                return Soundness(not lacking)
            cut = f'{file.name} was cut off: read up to byte {end}'
            return Soundness(not lacking, cut)
    except (DamageError, struct.error) as error:
        reason = str(error).removeprefix(f'{file.name}: ')
        raise DamageError(f'{file.name}: {reason}') from error


def _check_records(data: mmap.mmap) -> tuple[bool, int]:
    """Check the records of a file; return whether messages lack a checksum, and the end."""
    lacking = whole = ended = False
    end = len(MAGIC)
    for kind, begin, end in records(data):
        if kind in _CRC_AT and end - begin < _CRC_AT[kind] + U32.size:
            if is_cut_off(data):
                continue
            raise DamageError(f'altered: the record at byte {begin} is too short')
        if kind == MESSAGE:
            lacking = True
        elif kind == CHANNEL:
            _check_channel(data[begin:end])
        elif kind in _CRC_AT:
            cut = end == len(data)
            at = begin + _CRC_AT[kind]
            (stored,) = U32.unpack_from(data, at)
            if stored and not cut and stored not in _crcs(data, kind, begin):
                raise DamageError(f'altered: the checksum at byte {at} does not match')
            lacking |= kind == CHUNK and (cut or not stored)
            whole |= kind == DATA_END and bool(stored)
            ended |= kind == DATA_END
    if not is_cut_off(data) and (not ended or end + len(MAGIC) != len(data)):
        raise DamageError(f'altered: its last record ends at byte {end} of {len(data)}')
    return lacking and not whole, end


def _crcs(data: mmap.mmap, kind: int, begin: int) -> tuple[int, ...]:
    """Return the possible values of the checksum in a record; `seal` writes the first."""
    with memoryview(data) as view:
        if kind == CHUNK:
            return _chunk_crc(view, begin)
        if kind == FOOTER:
            (start,) = U64.unpack_from(view, begin)
            with view[start or begin - HEADER.size : begin + _CRC_AT[FOOTER]] as part:
                return (crc32(part),)
        # Some writers start from the first byte of the file, others from its first record.
        first = len(MAGIC)
        _, length = HEADER.unpack_from(view, first)
        starts = (0, first, first + HEADER.size + length)
        return tuple(_part_crc(view, start, begin - HEADER.size) for start in starts)


def _part_crc(view: memoryview, start: int, end: int) -> int:
    with view[start:end] as part:
        return crc32(part)


def _chunk_crc(view: memoryview, begin: int) -> tuple[int, ...]:
    """Return the checksum of a chunk's records; the reader checks that of compressed ones."""
    at = begin + _CRC_AT[CHUNK] + 4
    (named,) = U32.unpack_from(view, at)
    if named:
        return U32.unpack_from(view, begin + _CRC_AT[CHUNK])
    (size,) = U64.unpack_from(view, at + 4)
    return (_part_crc(view, at + 12, at + 12 + size),)


def _check_channel(content: bytes) -> None:
    """Check the YAML texts of a channel, which other readers parse.

    :raises OutsideError: for a text that is nested too deep.
    """
    topic, encoding = texts(content[4:], 2)
    place = 4 + 3 * U32.size + len(topic.encode()) + len(encoding.encode())
    pairs = texts(content[place:])
    for key, value in zip(pairs[::2], pairs[1::2], strict=False):
        if key == _QOS:
            check_yaml(value, f'{_QOS} of {topic}')


def _check_sqlite(file: Path) -> Soundness:
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
    return Soundness(has_checksums=False)
