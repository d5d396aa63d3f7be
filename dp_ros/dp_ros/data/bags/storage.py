# SPDX-License-Identifier: Apache-2.0
"""The files of a bag, their notes and their reader, whoever wrote them and however they ended.

A bag is a folder, or one file of it where a folder without `metadata.yaml` holds several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
import re
from typing import Any, Final, Protocol

from dp_ros.data.bags.checksums import Soundness, check_files
from dp_ros.data.bags.mcap import DamageError, McapReader, metadata
from dp_ros.outside import OutsideError, check_yaml, parse_yaml, read_yaml
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

AGAIN: Final = 'copy it again, or remove it'
_METADATA: Final = 'metadata.yaml'
_SUFFIXES: Final = ('.mcap', '.db3')
_PART: Final = re.compile(r'(.*)_(\d+)')


class BagReader(Protocol):
    """A reader of a bag's messages: what ours and rosbags' have in common, and is used.

    A connection has a `topic`, a `msgtype` and a `msgcount`.
    """

    @property
    def connections(self) -> Sequence[Any]:
        """The topics, each with the type of its messages."""

    @property
    def topics(self) -> Mapping[str, Any]:
        """The topics by name."""

    @property
    def duration(self) -> int:
        """Time from the first message to the last [ns]."""

    def messages(self, connections: Collection[Any]) -> Iterator[tuple[Any, int, bytes]]:
        """Yield connection, time of reception [ns] and content, in the order of the times."""

    def deserialize(self, raw: bytes, msgtype: str, /) -> Any:
        """Return a message."""


class BagError(ValueError):
    """A bag cannot be used; the message names it and what is wrong."""


def bags_under(folder: Path) -> list[Path]:
    """List the bags under a folder by name.

    Files without `metadata.yaml` are one bag each, unless they are called as the parts of a
    recording are: by their folder and a number.
    """
    folders: dict[Path, list[Path]] = defaultdict(list)
    for file in sorted(folder.rglob('*')):
        hidden = any(part.startswith('.') for part in file.relative_to(folder).parts)
        if (file.name == _METADATA or _is_storage(file)) and not hidden:
            folders[file.parent].append(file)
    return sorted(bag for place, files in folders.items() for bag in _bags(place, files))


def _bags(folder: Path, files: Sequence[Path]) -> Sequence[Path]:
    parts = [_PART.fullmatch(file.stem) for file in files]
    is_split = all(part is not None and part[1] == folder.resolve().name for part in parts)
    if len(files) == 1 or is_split or any(file.name == _METADATA for file in files):
        return [folder]
    return files


def _is_storage(file: Path) -> bool:
    return file.suffix in _SUFFIXES or file.suffixes[-2:-1] == ['.mcap'] and file.suffix == '.zstd'


def bag_files(bag: Path) -> list[Path]:
    """Return the storage files of a bag, in the order in which they were written.

    :raises BagError: for files that are missing, or none at all.
    """
    if bag.is_file():
        return [bag]
    # A file's own metadata may hold other names, for a file may have been renamed.
    named = _information(bag).get('relative_file_paths') if (bag / _METADATA).exists() else None
    if isinstance(named, list) and named:
        files = [bag / Path(str(name)).name for name in named]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise BagError(f'{bag}: cannot be read: {", ".join(missing)} is missing; {AGAIN}')
        return files
    files = [file for file in bag.iterdir() if file.is_file() and _is_storage(file)]
    if not files:
        raise BagError(f'{bag}: has no .mcap or .db3 file; {AGAIN}')
    return sorted(files, key=_number)


def _number(file: Path) -> tuple[int, str]:
    part = _PART.fullmatch(file.stem)
    return int(part[2][:18]) if part else 0, file.name


def bag_size(bag: Path) -> int:
    """Return the size of a bag on disk [bytes]."""
    files = [bag] if bag.is_file() else bag.iterdir()
    return sum(file.stat().st_size for file in files if file.is_file())


def bag_info(bag: Path) -> dict[str, str]:
    """Return the recorder's notes in the bag, such as `start_ns` and `succeeded`, if any.

    Without `metadata.yaml` they are those of the MCAP file itself.

    :raises BagError: when the bag's metadata cannot be read.
    """
    try:
        noted = dict(_information(bag).get('custom_data') or {})
        return {str(key): _text(value) for key, value in noted.items()}
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, BagError) else _broken(bag, error) from error


def _information(bag: Path) -> Mapping[str, Any]:
    """Return what a bag says of itself, empty where it says nothing.

    :raises BagError: when this cannot be read.
    """
    try:
        if bag.is_dir() and (bag / _METADATA).exists():
            information = read_yaml(bag / _METADATA)['rosbag2_bagfile_information']
        else:
            information = _own_information(bag)
        for topic in information.get('topics_with_message_count') or []:
            profiles = topic['topic_metadata'].get('offered_qos_profiles')
            if isinstance(profiles, str):  # YAML inside YAML, which rosbags parses
                check_yaml(profiles, str(bag / _METADATA))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(bag, error) from error
    return dict(information)


def _own_information(bag: Path) -> Mapping[str, Any]:
    """Return what the newest of a bag's MCAP files says of the recording."""
    files = [bag] if bag.is_file() else sorted(bag.glob('*.mcap'), key=_number)
    for file in reversed(files):
        if file.suffix == '.mcap':
            try:
                text = metadata(file, 'rosbag2').get('serialized_metadata', '')
            except (DamageError, OSError):
                continue  # Reading the messages reports it.
            held = parse_yaml(text, file.name) if text else None
            if isinstance(held, dict):
                return held.get('rosbag2_bagfile_information') or held
    return {}


def _broken(bag: Path, error: Exception) -> BagError:
    reason = error.strerror if isinstance(error, OSError) else repr(error)
    if isinstance(error, OutsideError):
        reason = str(error).removeprefix(f'{bag / _METADATA}: cannot be read: ')
    return BagError(
        f'{bag}: {_METADATA} cannot be read: {reason}; copy it again, or remove this one file: '
        'a bag is read without it, too'
    )


def _text(value: Any) -> str:
    """Return a note as the recorder wrote it, even if an editor removed its quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_bag(bag: Path) -> Soundness:
    """Check a bag's files.

    :raises BagError: for a file that is damaged.
    """
    try:
        return check_files(bag_files(bag))
    except (DamageError, OutsideError, OSError) as error:
        raise BagError(f'{bag}: cannot be read: {error}; {AGAIN}') from error


@contextmanager
def open_bag(bag: Path) -> Iterator[BagReader]:
    """Open a bag and yield its reader.

    :raises BagError: for a bag that cannot be opened or read.
    """
    try:
        with _reader(bag) as reader:
            yield reader
    except BagError:
        raise
    except Exception as error:  # rosbags does not catch what its parsers raise
        reason = str(error).rstrip('.') or type(error).__name__
        raise BagError(f'{bag}: cannot be read: {reason}; {AGAIN}') from error


def _reader(bag: Path) -> McapReader | AnyReader:
    """Return our reader for MCAP, which takes more than rosbags', or else that one."""
    files, said = bag_files(bag), _information(bag)
    if all(file.suffix == '.mcap' for file in files):
        return McapReader(files, str(said.get('compression_mode', '')).lower() == 'message')
    whole = bag.is_dir() and (bag / _METADATA).exists() and said.get('storage_identifier')
    return AnyReader([bag] if whole else files, default_typestore=_standard_types())


@cache
def _standard_types() -> Typestore:
    return get_typestore(Stores.ROS2_JAZZY)
