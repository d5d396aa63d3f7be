# SPDX-License-Identifier: Apache-2.0
"""What the verbs of `ros2 bag` share: arguments, and opening a bag."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.rosbag2 import Reader, ReaderError, StoragePlugin

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}


def add_exclude_arguments(parser: ArgumentParser) -> None:
    """Add the options that leave topics out."""
    parser.add_argument('-x', '--exclude-regex', default='', help='Leave out what contains this')
    parser.add_argument(
        '--exclude-topics', nargs='+', default=[], metavar='Topic', help='Topics to leave out'
    )


def add_keyboard_argument(parser: ArgumentParser) -> None:
    """Add the option that scripts give where there is no terminal."""
    parser.add_argument(
        '--disable-keyboard-controls',
        action='store_true',
        help='Accepted; there are no keyboard controls here',
    )


def add_bag_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of verbs that read a bag."""
    parser.add_argument('bag_path', type=_existing, help='Bag to open')
    parser.add_argument(
        '-s', '--storage', choices=sorted(STORAGES), help='Accepted; the bag says what it is'
    )


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise ArgumentTypeError(f"Bag path '{text}' does not exist!")
    return path


class BagError(RuntimeError):
    """A bag cannot be read."""


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """Open a bag.

    :raises BagError: for one that is incomplete or corrupt.
    """
    try:
        reader = Reader(path)
        reader.open()
    except (ReaderError, OSError, ValueError, AssertionError) as error:
        raise BagError(error_text(f"Cannot read bag '{path}': {error}")) from None
    try:
        yield reader
    finally:
        reader.close()


def error_text(text: str) -> str:
    """Mark a message for stderr."""
    return f'[ERROR] [ros2bag]: {text}'
