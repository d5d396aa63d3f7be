# SPDX-License-Identifier: Apache-2.0
"""A folder of recorded episodes: one rosbag2 each, and an index.

```
DIR/episodes.jsonl          one line per kept episode
DIR/episode_000000/         a rosbag2: episode_000000.mcap, metadata.yaml
DIR/.open/episode_000001/   the one being recorded, moved up when it is kept
DIR/.lost/episode_000001/   what a killed recorder left open
```

A bag gets its final name only when it is complete: a crash loses at most the open episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
import json
import os
from pathlib import Path
import shutil
import sqlite3
from typing import Any, Final

from dp_ros.data.bags.bag import TASK_FILE
from dp_ros.data.bags.checksums import seal
from dp_ros.data.bags.storage import BagError, bag_info
from dp_ros.outside import OutsideError, parse_json
from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys.store import Typestore

STORAGES: Final = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
INDEX: Final = 'episodes.jsonl'
_OPEN: Final = '.open'
_LOST: Final = '.lost'
_PREFIX: Final = 'episode_'
_BAG_VERSION: Final = 9

Entry = dict[str, str]


def _names(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get('episode'), str)


class RecordingError(RuntimeError):
    """Recording cannot go on; the message says why."""


class OpenEpisode:
    """The bag that is being written.

    :param path: folder of the bag while it is open.
    """

    def __init__(self, path: Path, storage: str, types: Typestore) -> None:
        self.path = path
        self.counts: dict[str, int] = {}
        self._types = types
        self._connections: dict[str, Connection] = {}
        self._writer = Writer(path, version=_BAG_VERSION, storage_plugin=STORAGES[storage])
        self._guard(self._writer.open)

    def add_topic(self, topic: str, type_name: str, qos: Sequence[Qos] = ()) -> None:
        """Add a topic to the bag; it is listed there even without a message.

        :raises RecordingError: as ``write`` does.
        """
        self._guard(lambda: self._add(topic, type_name, qos))

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        """Write a serialised message, received at ``time_ns``.

        :raises RecordingError: when the disk is full or taken away.
        """
        self._guard(lambda: self._writer.write(self._connections[topic], time_ns, data))
        self.counts[topic] += 1

    def close(self, info: Mapping[str, str]) -> None:
        """Complete the bag, with ``info`` in its metadata.

        :raises RecordingError: as ``write`` does.
        """
        for key, value in info.items():
            self._writer.set_custom_data(key, value)
        self._guard(self._writer.close)
        for file in self.path.glob('*.mcap'):
            self._guard(partial(seal, file))

    def abandon(self) -> None:
        """Delete the bag."""
        self._writer.abort()
        shutil.rmtree(self.path, ignore_errors=True)

    def _add(self, topic: str, type_name: str, qos: Sequence[Qos]) -> None:
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=self._types, offered_qos_profiles=qos
        )
        self.counts[topic] = 0

    def _guard(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (OSError, sqlite3.Error, WriterError) as error:
            raise RecordingError(f'cannot write {self.path}: {error}') from error


class EpisodeFolder:
    """Keeps the episodes of a folder and their index.

    :raises RecordingError: when the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            (folder / _OPEN).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f'cannot make {folder}: {error}') from error

    def recover(self) -> list[str]:
        """Repair the folder after a crash; return a line for each thing that was found."""
        lines = [self._set_aside(left) for left in sorted((self.folder / _OPEN).iterdir())]
        index = self.index()
        known = {entry['episode'] for entry in index}
        bags = {bag.parent.name for bag in self.folder.glob(f'{_PREFIX}*/metadata.yaml')}
        for name in sorted(bags - known):
            try:
                index.append(_entry(name, bag_info(self.folder / name)))
                lines.append(f'{name} was not in {INDEX} and is added')
            except BagError as error:
                lines.append(f'{name} is not in {INDEX}: {error}')
        for name in sorted(known - bags):
            lines.append(f'{name} is in {INDEX}, but its bag is gone')
        self._write_index([entry for entry in index if entry['episode'] in bags])
        return lines

    def index(self) -> list[Entry]:
        """Return the entries of the index; a line that a crash cut off is left out."""
        file = self.folder / INDEX
        entries = []
        for line in file.read_text().splitlines() if file.is_file() else []:
            try:
                entries.append(parse_json(line, INDEX))
            except OutsideError:
                continue
        return [entry for entry in entries if isinstance(entry, dict) and _names(entry)]

    def open(self, storage: str, types: Typestore) -> OpenEpisode:
        """Begin the next episode.

        :raises RecordingError: when its bag cannot be made.
        """
        taken = [path.name for path in self.folder.glob(f'{_PREFIX}*')]
        numbers = [int(name.removeprefix(_PREFIX)) for name in taken if name[-1:].isdigit()]
        name = f'{_PREFIX}{max(numbers, default=-1) + 1:06d}'
        return OpenEpisode(self.folder / _OPEN / name, storage, types)

    def keep(self, episode: OpenEpisode, info: Mapping[str, str]) -> Path:
        """Complete the episode and add it to the index; return its folder.

        :raises RecordingError: when it cannot be written; the episode is then lost.
        """
        try:
            episode.close(info)
            path = episode.path.rename(self.folder / episode.path.name)
            self._append_index(_entry(path.name, info))
        except OSError as error:
            raise RecordingError(f'cannot keep {episode.path.name}: {error}') from error
        return path

    def free_bytes(self) -> int:
        """Return the free space of the folder's disk."""
        return shutil.disk_usage(self.folder).free

    def _append_index(self, entry: Entry) -> None:
        with (self.folder / INDEX).open('a') as file:
            file.write(json.dumps(entry) + '\n')
            file.flush()
            os.fsync(file.fileno())

    def _write_index(self, entries: Sequence[Entry]) -> None:
        part = self.folder / f'{INDEX}.part'
        ordered = sorted(entries, key=lambda entry: entry['episode'])
        part.write_text(''.join(json.dumps(entry) + '\n' for entry in ordered))
        part.replace(self.folder / INDEX)

    def _set_aside(self, left: Path) -> str:
        aside = self.folder / _LOST / left.name
        aside.parent.mkdir(exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        left.rename(aside)
        return f'{left.name} was open when the recorder ended: lost, its remains are in {aside}'


def _entry(name: str, info: Mapping[str, str]) -> Entry:
    """Return what the index says of an episode; its task file is in its bag."""
    kept = {key: value for key, value in info.items() if key != TASK_FILE}
    return {'episode': name, **kept}
