# SPDX-License-Identifier: Apache-2.0
"""What `ros2 bag info` prints."""

from collections.abc import Sequence
from pathlib import Path
import time

from rosbags.rosbag2 import Reader
import yaml

NS = 1_000_000_000
INDENT = ' ' * 19


def summary(reader: Reader) -> str:
    """Describe an open bag."""
    files, storage = _files(reader.path)
    # The library counts the end as one nanosecond after the last message.
    duration = max(0, reader.duration - 1)
    start = reader.start_time
    topics = [
        f'Topic: {c.topic} | Type: {c.msgtype} | Count: {c.msgcount} | '
        f'Serialization Format: {c.ext.serialization_format}'
        for c in reader.connections
    ]
    lines = [
        ('', ''),
        ('Files:', _column([f.name for f in files])),
        ('Bag size:', _size(sum(f.stat().st_size for f in files))),
        ('Storage id:', storage),
        ('ROS Distro:', reader.ros_distro or 'unknown'),
        ('Duration:', f'{_seconds(duration)}s'),
        ('Start:', _date(start)),
        ('End:', _date(start + duration)),
        ('Messages:', str(reader.message_count)),
        ('Topic information:', _column(topics)),
        ('Service:', '0'),
        ('Service information:', ''),
    ]
    return ''.join(f'{f"{label:<19}{text}" if label else ""}\n' for label, text in lines)


def _files(path: Path) -> tuple[list[Path], str]:
    """Return the storage files of a bag and the storage's name."""
    if path.is_file():
        return [path], {'.mcap': 'mcap', '.db3': 'sqlite3'}[path.suffix]
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    files = [path / Path(name).name for name in information['relative_file_paths']]
    return files, information['storage_identifier']


def _column(texts: Sequence[str]) -> str:
    return f'\n{INDENT}'.join(texts)


def _size(number: float) -> str:
    units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    while number >= 1024 and len(units) > 1:
        number /= 1024
        units.pop(0)
    return f'{number:.0f} B' if units[0] == 'B' else f'{number:.1f} {units[0]}'


def _seconds(time_ns: int) -> str:
    return '{}.{:09d}'.format(*divmod(time_ns, NS))


def _date(time_ns: int) -> str:
    local = time.localtime(time_ns // NS)
    clock = f'{time.strftime("%H:%M:%S", local)}.{time_ns % NS:09d}'
    return f'{time.strftime("%b %e %Y", local)} {clock} ({_seconds(time_ns)})'
