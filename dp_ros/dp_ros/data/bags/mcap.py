# SPDX-License-Identifier: Apache-2.0
"""Read MCAP files (https://mcap.dev/spec) without their index, also those that were cut off.

Everything whole is read. Channels of other encodings than CDR are listed, and passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
import heapq
import itertools
import mmap
from pathlib import Path
import struct
from struct import Struct
from typing import Any, Final, NamedTuple
from zlib import crc32

from backports import zstd
import lz4.frame
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

MAGIC: Final = b'\x89MCAP0\r\n'
HEADER: Final = Struct('<BQ')  # kind and length of a record
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, STATISTICS, METADATA, DATA_END = (
    *(0x02, 0x03, 0x04, 0x05, 0x06, 0x0B, 0x0C, 0x0F),
)
_KINDS: Final = range(1, DATA_END + 1)
U32: Final = Struct('<I')
U64: Final = Struct('<Q')
_U16: Final = Struct('<H')
_MESSAGE_HEAD: Final = Struct('<HIQQ')  # channel, sequence, times of log and of publication
_CHUNK_HEAD: Final = Struct('<QQQI')  # first and last time, size, checksum
_MOST_BYTES: Final = 2**31 - 1
_IDL_LINE: Final = '=' * 80 + '\n'


class DamageError(ValueError):
    """A file is damaged; the message says where."""


class Record(NamedTuple):
    """A record: its kind, and the begin and the end of its content [bytes]."""

    kind: int
    begin: int
    end: int


@dataclass(frozen=True)
class Connection:
    """A topic of a file.

    :param msgtype: type of its messages, with the encoding in brackets if that is not CDR.
    :param definition: format and text of the type's definition, empty where there is none.
    """

    topic: str
    msgtype: str
    msgcount: int = 0
    definition: tuple[str, str] = field(default=('', ''), repr=False)


def is_cut_off(data: mmap.mmap | bytes) -> bool:
    """Tell whether a file lacks its end, as that of a recorder that was killed."""
    return data[-len(MAGIC) :] != MAGIC or len(data) < 2 * len(MAGIC)


def records(data: mmap.mmap | bytes) -> Iterator[Record]:
    """Yield the records of a file; of one that was cut off, those before the break.

    A chunk that the break is in is yielded up to there.

    :raises DamageError: where a record does not fit into a file that has its end.
    """
    place, kind, cut = len(MAGIC), -1, is_cut_off(data)
    if data[:place] != MAGIC:
        raise DamageError('is no MCAP file, or was cut off at once')
    while kind != FOOTER:
        begin = place + HEADER.size
        kind, length = HEADER.unpack_from(data, place) if begin <= len(data) else (0, 0)
        place = begin + length
        if not kind or place > len(data):
            if cut and kind == CHUNK:
                yield Record(kind, begin, len(data))
            if cut and (kind in _KINDS or begin > len(data)):
                return
            raise DamageError(f'altered: no record ends where that of byte {begin} does')
        yield Record(kind, begin, place)


def _inner(content: bytes, whole: bool) -> Iterator[Record]:
    """Yield the records of a chunk; of one that was cut off, those before the break."""
    place = 0
    while place < len(content):
        begin = place + HEADER.size
        kind, length = HEADER.unpack_from(content, place) if begin <= len(content) else (0, 0)
        place = begin + length
        if begin > len(content) or place > len(content):
            if whole:
                raise DamageError('altered: a record does not fit into its chunk')
            return
        yield Record(kind, begin, place)


class McapReader:
    """Reads the messages of the files of one recording, in the order of their times.

    :param packed: whether each message is compressed by zstd.
    :raises DamageError: for a file that is damaged, as ``messages`` does.
    """

    def __init__(self, files: Sequence[Path], packed: bool = False) -> None:
        self._packed = packed
        self._stack = ExitStack()
        self._store: Typestore = get_typestore(Stores.EMPTY)
        try:
            self._files = [_File(file, self._stack) for file in files]
        except BaseException:
            self._stack.close()
            raise
        counts: Counter[tuple[str, str]] = Counter()
        known: dict[tuple[str, str], Connection] = {}
        for file in self._files:
            for number, channel in file.channels.items():
                key = channel.topic, channel.msgtype
                known.setdefault(key, channel)
                counts[key] += file.counts[number]
        self.connections = [
            Connection(*key, counts[key], channel.definition) for key, channel in known.items()
        ]

    def __enter__(self) -> McapReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def topics(self) -> Mapping[str, Connection]:
        """The topics by name."""
        return {connection.topic: connection for connection in self.connections}

    @property
    def duration(self) -> int:
        """Time from the first message to the last [ns]."""
        spans = [file.span for file in self._files if file.span[1]]
        return max(end for _, end in spans) - min(begin for begin, _ in spans) if spans else 0

    def messages(
        self, connections: Collection[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, time of reception [ns] and content of each message."""
        wanted = {(c.topic, c.msgtype): c for c in connections}
        for key, time_ns, raw in heapq.merge(
            *(file.messages(wanted) for file in self._files), key=lambda message: message[1]
        ):
            yield wanted[key], time_ns, zstd.decompress(raw) if self._packed else raw

    def deserialize(self, raw: bytes, msgtype: str) -> Any:
        """Return a message."""
        if msgtype not in self._store.fielddefs:
            self._define(msgtype)
        return self._store.deserialize_cdr(raw, msgtype)

    def _define(self, msgtype: str) -> None:
        """Register a type and those it consists of, by the file's definition or Jazzy's."""
        formats = (c.definition for c in self.connections if c.msgtype == msgtype)
        kind, text = next((each for each in formats if each[1]), ('', ''))
        if kind == 'ros2msg':
            types = get_types_from_msg(text, msgtype)
        elif kind in ('ros2idl', 'omgidl'):
            parts = [part.partition('\n')[2] for part in text.split(_IDL_LINE)[1:]] or [text]
            types = {name: each for idl in parts for name, each in get_types_from_idl(idl).items()}
        else:
            types = dict(get_typestore(Stores.ROS2_JAZZY).fielddefs)
        known = self._store.fielddefs
        self._store.register({name: each for name, each in types.items() if name not in known})


class _Part(NamedTuple):
    """A chunk, or a message outside of one: the time of its first message, and its record."""

    begin_ns: int
    record: Record


class _File:
    """One file, mapped into memory."""

    def __init__(self, file: Path, stack: ExitStack) -> None:
        self._name = file.name
        self.data = stack.enter_context(mapped(file))
        self.channels: dict[int, Connection] = {}
        self.counts: Counter[int] = Counter()
        self.span = (0, 0)
        self._parts: list[_Part] = []
        schemas: dict[int, tuple[str, str, str]] = {}
        counted = False
        for record in records(self.data):
            if record.kind == STATISTICS:
                counted = self._count(self.data[record.begin : record.end])
            self._note(self.data, record, schemas)
        if not counted or self.counts.keys() - self.channels.keys():
            self._scan(schemas)

    def messages(
        self, wanted: Mapping[tuple[str, str], Connection]
    ) -> Iterator[tuple[tuple[str, str], int, bytes]]:
        """Yield topic and type, time [ns] and content of each wanted message, by their times."""
        keys = {
            number: (channel.topic, channel.msgtype) for number, channel in self.channels.items()
        }
        pending: list[tuple[int, int, tuple[str, str], bytes]] = []
        order = itertools.count()
        parts = sorted(self._parts)
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            content, found = self._content(part.record)
            for record in found:
                if record.kind == MESSAGE:
                    number, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(content, record.begin)
                    if keys.get(number) in wanted:
                        raw = content[record.begin + _MESSAGE_HEAD.size : record.end]
                        heapq.heappush(pending, (time_ns, next(order), keys[number], raw))
            while pending and (following is None or pending[0][0] < following.begin_ns):
                time_ns, _, key, raw = heapq.heappop(pending)
                yield key, time_ns, raw

    def _note(
        self, data: mmap.mmap | bytes, record: Record, schemas: dict[int, tuple[str, str, str]]
    ) -> None:
        """Remember a record that is needed later."""
        kind, begin, end = record
        if kind == CHUNK:
            self._parts.append(_Part(U64.unpack_from(data, begin)[0], record))
        elif kind == MESSAGE and data is self.data:
            self._parts.append(_Part(_MESSAGE_HEAD.unpack_from(data, begin)[2], record))
        elif kind == SCHEMA:
            (number,) = _U16.unpack_from(data, begin)
            name, encoding, text = texts(data[begin + _U16.size : end], 3)
            schemas[number] = name, encoding, text
        elif kind == CHANNEL:
            number, schema = struct.unpack_from('<HH', data, begin)
            topic, encoding = texts(data[begin + 4 : end], 2)
            name, *definition = schemas.get(schema, ('', '', ''))
            shown = name if encoding == 'cdr' else f'{name} ({encoding})'
            self.channels[number] = Connection(topic, shown, 0, (definition[0], definition[1]))

    def _count(self, content: bytes) -> bool:
        """Take the numbers of messages from the statistics, if these hold them."""
        total, _, _, _, _, _, first, last, length = struct.unpack_from('<QHIIIIQQI', content)
        counts = dict(struct.iter_unpack('<HQ', content[-length:])) if length else {}
        self.span, self.counts = (first, last), Counter(counts)
        return total == sum(counts.values())

    def _scan(self, schemas: dict[int, tuple[str, str, str]]) -> None:
        """Look into every chunk for channels and numbers of messages."""
        self.counts.clear()
        times: list[int] = []
        for part in self._parts:
            content, found = self._content(part.record)
            for record in found:
                self._note(content, record, schemas)
                if record.kind == MESSAGE:
                    number, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(content, record.begin)
                    self.counts[number] += 1
                    times.append(time_ns)
        self.span = (min(times), max(times)) if times else (0, 0)

    def _content(self, record: Record) -> tuple[bytes, Iterator[Record]]:
        """Return what a part's records lie in, and these."""
        kind, begin, end = record
        if kind == MESSAGE:
            content = self.data[begin:end]
            return content, iter([Record(MESSAGE, 0, len(content))])
        try:
            content, whole = unpacked(self.data, record)
            return content, _inner(content, whole)
        except (struct.error, zstd.ZstdError, RuntimeError, DamageError) as error:
            raise DamageError(f'{self._name}: chunk at byte {begin}: {error}') from error


def unpacked(data: mmap.mmap, record: Record) -> tuple[bytes, bool]:
    """Return the content of a chunk, up to the break if it was cut off, and if it is whole.

    :raises DamageError: where it does not fit its size or its checksum.
    """
    begin, end = record.begin + _CHUNK_HEAD.size, record.end
    if begin + U32.size > end:
        return b'', False
    _, _, size, crc = _CHUNK_HEAD.unpack_from(data, record.begin)
    (length,) = U32.unpack_from(data, begin)
    start = begin + U32.size + length + U64.size
    if start > end:
        return b'', False
    compression = data[begin + U32.size : begin + U32.size + length].decode(errors='replace')
    (stored,) = U64.unpack_from(data, start - U64.size)
    whole, held = start + stored <= end, data[start : min(start + stored, end)]
    if size > _MOST_BYTES:
        raise DamageError(f'altered: {size} bytes in one chunk')
    if compression == 'zstd':
        held = zstd.ZstdDecompressor().decompress(held, size)
    elif compression == 'lz4':
        held = lz4.frame.LZ4FrameDecompressor().decompress(held, size)
    elif compression:
        raise DamageError(f'compression {compression!r}: only zstd and lz4 can be read')
    if whole and (len(held) != size or crc and crc32(held) != crc):
        raise DamageError('altered: it does not fit its size or its checksum')
    return held, whole


def texts(content: bytes, count: int | None = None) -> list[str]:
    """Return the texts at the begin of a content, each after its length; None: all of them.

    :raises DamageError: where there are fewer, or one is longer than the content.
    """
    found: list[str] = []
    place = 0
    while len(found) != count and (place < len(content) or count):
        if place + U32.size > len(content):
            raise DamageError('altered: a record ends within its texts')
        (length,) = U32.unpack_from(content, place)
        place += U32.size + length
        if place > len(content):
            raise DamageError('altered: a record ends within its texts')
        found.append(content[place - length : place].decode())
    return found


def metadata(file: Path, name: str) -> Mapping[str, str]:
    """Return the metadata that a file holds under a name, empty where there are none.

    :raises DamageError: for a file that is damaged.
    """
    with mapped(file) as data:
        for kind, begin, end in records(data):
            if kind == METADATA and texts(data[begin:end], 1) == [name]:
                place = begin + 2 * U32.size + len(name.encode())
                pairs = texts(data[place:end])
                return dict(zip(pairs[::2], pairs[1::2], strict=True))
    return {}


@contextmanager
def mapped(file: Path) -> Iterator[mmap.mmap]:
    """Map a file into memory.

    :raises DamageError: for an empty one.
    """
    if not file.stat().st_size:
        raise DamageError(f'{file.name}: empty')
    with file.open('rb') as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as data:
        yield data
