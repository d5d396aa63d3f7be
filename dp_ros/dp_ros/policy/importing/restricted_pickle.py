# SPDX-License-Identifier: Apache-2.0
"""Read what `torch.save` wrote as plain values, without running anything that it names.

A pickle is a program: it may name any function and call it. Here a name means one of the few
stand-ins below, which only hold values, or the file is refused and the name said. OmegaConf's
containers become dicts and lists; neither OmegaConf nor dill is needed, nor are they used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
import pickle
from typing import Any, Final
import zipfile

from dp_ros.policy.importing.source import SourceError
import torch
from torch import Tensor

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


class Record:
    """What stands for an object of OmegaConf: its state, and no more."""

    def __init__(self) -> None:
        self.state: Mapping[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class _Dict(dict[Any, Any]):
    """What stands for an ordered dict, which may carry attributes: they are dropped."""

    def __setstate__(self, state: Any) -> None:
        pass


def _tensor(
    storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> Tensor:
    return storage.as_strided(size, stride, offset).clone()


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


def _bytes(text: str, _: str) -> bytes:
    return text.encode('latin1')


def _default(*_: Any) -> dict[Any, Any]:
    return {}


def _type_name(*names: Any) -> str:
    return str(names)


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    'torch._utils._rebuild_tensor_v2': _tensor,
    'torch._utils._rebuild_parameter': _parameter,
    '_codecs.encode': _bytes,
    'collections.OrderedDict': _Dict,
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


class _Unpickler(pickle.Unpickler):
    """Knows no name but those above."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(archive.open(f'{folder}data.pkl'))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        path = f'{module}.{name}'
        # A new class or function for each, for a pickle can change what it is given.
        if path in _RECORDS:
            return type('Record', (Record,), {})
        if path in _FUNCTIONS:
            return partial(_FUNCTIONS[path])
        if path in _STORAGES or path in _TYPES:
            return path
        raise SourceError(f'it names {path}, which is neither a tensor nor a plain container')

    def persistent_load(self, pid: Any) -> Tensor:
        kind, storage, key, _, count = pid
        if kind != 'storage' or storage not in _STORAGES:
            raise SourceError(f'it refers to {pid}, which is no storage of a tensor')
        data = bytearray(self._archive.read(f'{self._folder}data/{key}'))
        dtype = _STORAGES[storage]
        values = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        if len(values) != count:
            raise SourceError(f'storage {key} has {len(values)} values instead of {count}')
        return values


def load(file: Path) -> Any:
    """Read a file of `torch.save`: dicts, lists, tuples, numbers, strings, bytes and tensors.

    :raises SourceError: for anything else in it, by name, and for a file that cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _plain(_Unpickler(archive, _folder(archive)).load())
    except SourceError as error:
        raise SourceError(f'{file}: refused, {error}') from None
    except OSError as error:
        raise SourceError(f'{file}: cannot be read ({error.strerror})') from error
    except zipfile.BadZipFile as error:
        raise SourceError(
            f'{file}: truncated, or not written by torch.save of PyTorch 1.6 or newer ({error})'
        ) from error
    except Exception as error:  # A broken pickle can end in an error of any kind.
        raise SourceError(f'{file}: broken ({type(error).__name__}: {error})') from error


def _folder(archive: zipfile.ZipFile) -> str:
    """Return the folder in the archive that holds everything, with its slash."""
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED:
            raise SourceError(f'{entry.filename} is compressed, which torch.save does not do')
    pickles = [name for name in archive.namelist() if name.endswith('data.pkl')]
    if len(pickles) != 1:
        raise SourceError(f'it holds {len(pickles)} data.pkl instead of one')
    return pickles[0].removesuffix('data.pkl')


def _plain(value: Any) -> Any:
    """Replace records by what they hold."""
    if isinstance(value, Record):
        held = value.state
        return _plain(held['_content'] if '_content' in held else held.get('_val'))
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(entry) for entry in value)
    return value
