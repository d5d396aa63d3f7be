# SPDX-License-Identifier: Apache-2.0
"""Reader of `torch.save` files as plain values that runs no code from the file.

A pickle is a program: it may name any function and call it. Here a name stands for one of the few
stand-ins below, which only hold values, or the file is refused and the name reported. OmegaConf's
containers become dicts and lists; neither OmegaConf nor dill is needed or used.

A short program can also make large values, so their size is limited by the size of the file:
tensors are views of their storage, which is read once, and values used repeatedly count each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import io
from math import prod
from pathlib import Path
import pickle
from typing import Any, ClassVar, Final
import zipfile

from dp_ros.policy.importing.source import SourceError
from dp_ros.values import brief
import torch
from torch import Tensor

_MOST_PICKLE: Final = 8_000_000
_MOST_DEPTH: Final = 64
_MOST_DIMENSIONS: Final = 8
_MOST_REPEATED: Final = 65_536
"""Most values of a tensor that repeats those of its storage, like a constant statistic."""
_STORAGES: Final[Mapping[str, torch.dtype]] = {
    'torch.FloatStorage': torch.float32,
    'torch.DoubleStorage': torch.float64,
    'torch.HalfStorage': torch.float16,
    'torch.BFloat16Storage': torch.bfloat16,
    'torch.LongStorage': torch.int64,
    'torch.IntStorage': torch.int32,
    'torch.ShortStorage': torch.int16,
    'torch.CharStorage': torch.int8,
    'torch.ByteStorage': torch.uint8,
    'torch.BoolStorage': torch.bool,
}
_NODES: Final = ('Any', 'String', 'Integer', 'Float', 'Boolean', 'Path', 'Bytes')


class Made:
    """An object that a pickle may make, but not change: that would call a method of its choice."""

    def __setstate__(self, state: Any) -> None:
        raise SourceError(f'it sets the state of a {type(self).__name__.lower()}')


class Record(Made):
    """Stand-in for an object of OmegaConf: it only holds the state."""

    state: Mapping[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class _Dict(dict[Any, Any]):
    """Stand-in for an ordered dict; attributes are dropped."""

    def __setstate__(self, state: Any) -> None:
        pass


@dataclass(frozen=True)
class Storage(Made):
    """Values of one or more tensors."""

    values: Tensor


@dataclass(frozen=True)
class View(Made):
    """A tensor as a view of a storage, before it is made."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        """Make the tensor; it uses the memory of the storage."""
        return self.storage.values.as_strided(self.size, self.stride, self.offset)


@dataclass(frozen=True)
class Text(Made):
    """Bytes that a pickle holds as a text."""

    text: str


@dataclass(frozen=True)
class Function(Made):
    """Stand-in for a function or class."""

    call: Callable[..., Any] = field(repr=False)

    def __call__(self, *arguments: Any) -> Any:
        """Call the function of this module that replaces it."""
        return self.call(*arguments)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> View:
    if not isinstance(storage, Storage) or not isinstance(size, tuple):
        raise SourceError('it makes a tensor of something else than a storage')
    count = max(len(storage.values), _MOST_REPEATED)
    if len(size) > _MOST_DIMENSIONS or prod(size) > count:
        raise SourceError(f'it makes a tensor of more values than its storage has, {count}')
    return View(storage, offset, size, stride)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _bytes(text: str, _: str) -> Text:
    return Text(text)


def _default(*_: Any) -> dict[Any, Any]:
    return {}


def _type_name(*_: Any) -> str:
    return 'a type'


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    'torch._utils._rebuild_tensor_v2': _tensor,
    'torch._utils._rebuild_parameter': _parameter,
    '_codecs.encode': _bytes,
    'collections.OrderedDict': lambda: _Dict(),
    'collections.defaultdict': _default,
    'dill._dill._load_type': _type_name,
}
_RECORDS: Final = (
    'omegaconf.dictconfig.DictConfig',
    'omegaconf.listconfig.ListConfig',
    'omegaconf.base.Metadata',
    'omegaconf.base.ContainerMetadata',
    *(f'omegaconf.nodes.{kind}Node' for kind in _NODES),
)
_TYPES: Final = (
    'typing.Any',
    *(f'{module}.{name}' for module in ('builtins', '__builtin__') for name in ('dict', 'list')),
)
# Operations that torch.save does not write: sets, buffers, older ways to make an object.
_UNUSED: Final = (
    *(pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.BYTEARRAY8, pickle.NEXT_BUFFER),
    *(pickle.READONLY_BUFFER, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4),
)


def _checked(code: bytes, keys: slice) -> Callable[[Any], None]:
    """Make an operation refuse keys that are containers.

    Hashing a key that holds another one twice, and so on, takes exponentially long.

    :param keys: positions of the keys on the stack.
    """
    load = pickle._Unpickler.dispatch[code[0]]

    def checked(unpickler: Any) -> None:
        for key in unpickler.stack[keys]:
            if not isinstance(key, str | int | float | bytes | None):
                raise SourceError(f'it has a key that is a {type(key).__name__}')
        load(unpickler)

    return checked


class _Unpickler(pickle._Unpickler):
    """Unpickler that knows only the names above.

    It is Python's own: the one in C allocates a memo as long as the pickle says.
    """

    dispatch: ClassVar[dict[int, Any]] = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if bytes([code]) not in _UNUSED
    } | {
        pickle.SETITEM[0]: _checked(pickle.SETITEM, slice(-2, -1)),
        pickle.SETITEMS[0]: _checked(pickle.SETITEMS, slice(None, None, 2)),
        pickle.DICT[0]: _checked(pickle.DICT, slice(None, None, 2)),
    }

    def __init__(self, archive: zipfile.ZipFile, folder: str, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._archive, self._folder = archive, folder
        self._read: dict[str, bytearray] = {}

    def find_class(self, module: str, name: str) -> Any:
        path = f'{module}.{name}'
        if path in _RECORDS:
            return type('Record', (Record,), {})  # A new one: a pickle can change a class.
        if path in _FUNCTIONS:
            return Function(_FUNCTIONS[path])
        if path in _STORAGES or path in _TYPES:
            return path
        raise SourceError(f'it names {path}, which is neither a tensor nor a plain container')

    def persistent_load(self, pid: Any) -> Storage:
        if not isinstance(pid, tuple) or [type(part) for part in pid[:3]] != [str] * 3:
            raise SourceError('it refers to something that is no storage of a tensor')
        kind, storage, key, _, count = pid
        if kind != 'storage' or storage not in _STORAGES:
            raise SourceError(f'it refers to {kind} {storage}, which is no storage of a tensor')
        if key not in self._read:
            self._read[key] = bytearray(self._archive.read(f'{self._folder}data/{key}'))
        data, dtype = self._read[key], _STORAGES[storage]
        values = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        if len(values) != count:
            raise SourceError(f'storage {key} has {len(values)} values instead of {count}')
        return Storage(values)


def load(file: Path) -> Any:
    """Read a file of `torch.save`: dicts, lists, tuples, numbers, strings, bytes and tensors.

    :raises SourceError: for anything else, by name, and for a file that cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            folder = _folder(archive, file.stat().st_size)
            data = archive.read(f'{folder}data.pkl')
            return _Plain(len(data)).make(_Unpickler(archive, folder, data).load())
    except SourceError as error:
        raise SourceError(f'{file}: refused, {error}') from None
    except OSError as error:
        raise SourceError(f'{file}: cannot be read ({error.strerror})') from error
    except zipfile.BadZipFile as error:
        raise SourceError(
            f'{file}: truncated, or not written by torch.save of PyTorch 1.6 or newer ({error})'
        ) from error
    except Exception as error:  # A broken pickle can raise any error.
        reason = brief(f'{type(error).__name__}: {error}')
        raise SourceError(f'{file}: broken ({reason})') from error


def _folder(archive: zipfile.ZipFile, size: int) -> str:
    """Return the folder in the archive that holds everything, with its slash.

    :param size: size of the archive [bytes].
    """
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED:
            raise SourceError(f'{entry.filename} is compressed, which torch.save does not do')
    if sum(entry.file_size for entry in archive.infolist()) > size:
        raise SourceError('its entries are larger than itself')
    pickles = [entry for entry in archive.infolist() if entry.filename.endswith('data.pkl')]
    if len(pickles) != 1:
        raise SourceError(f'it holds {len(pickles)} data.pkl instead of one')
    if pickles[0].file_size > _MOST_PICKLE:
        raise SourceError(f'its data.pkl has {pickles[0].file_size} bytes, over {_MOST_PICKLE}')
    return pickles[0].filename.removesuffix('data.pkl')


class _Plain:
    """Replaces stand-ins by the values that they hold.

    :param size: size of the pickle [bytes]; its values may weigh 10 · size + 100 000, because they
        can be used more than once.
    """

    def __init__(self, size: int) -> None:
        self._most = self._spare = 10 * size + 100_000
        self._done: dict[int, tuple[Any, int]] = {}

    def make(self, value: Any) -> Any:
        """Return the plain value.

        :raises SourceError: for a value that is nested too deep, or too large when written out.
        """
        return self._make(value, 0)[0]

    def _make(self, value: Any, depth: int) -> tuple[Any, int]:
        """Return a plain value and its weight: one for each value and each character."""
        if depth > _MOST_DEPTH:
            raise SourceError(f'its values are nested deeper than {_MOST_DEPTH} levels')
        if id(value) not in self._done:
            plain, weight = self._inside(value, depth + 1)
            self._check(weight <= self._most)
            self._done[id(value)] = plain, weight
        return self._done[id(value)]

    def _check(self, fits: bool) -> None:
        if not fits:
            raise SourceError('its values are much larger than its pickle')

    def _inside(self, value: Any, depth: int) -> tuple[Any, int]:
        if isinstance(value, Record):
            held = value.state
            return self._make(held['_content'] if '_content' in held else held.get('_val'), depth)
        if isinstance(value, View):
            return value.tensor(), 1
        if isinstance(value, Text):
            self._spare -= len(value.text)
            self._check(self._spare >= 0)
            return value.text.encode('latin1'), 1 + len(value.text)
        if isinstance(value, dict):
            made = [self._make(entry, depth) for entry in value.values()]
            names = sum(len(key) for key in value if isinstance(key, str | bytes))
            entries = dict(zip(value, (entry for entry, _ in made), strict=True))
            return entries, 1 + names + sum(weight for _, weight in made)
        if isinstance(value, list | tuple):
            made = [self._make(entry, depth) for entry in value]
            plain = type(value)(entry for entry, _ in made)
            return plain, 1 + sum(weight for _, weight in made)
        if isinstance(value, Made) or isinstance(value, type):
            raise SourceError(f'it holds a {type(value).__name__.lower()} as a value')
        return value, 1 + (len(value) if isinstance(value, str | bytes) else 0)
