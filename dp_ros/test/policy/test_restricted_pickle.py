# SPDX-License-Identifier: Apache-2.0
"""A `.ckpt` gives plain values, or is refused by name; what it would run never runs."""

import copy
import functools
import os
import pickle
import re
import subprocess
import sys
import zipfile

from dp_ros.policy.importing.restricted_pickle import load
from dp_ros.policy.importing.source import SourceError
from golden import renew_importing as golden
import pytest
import torch


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Own:
    """Some class of whoever wrote the file."""


def system(marker):
    return Call(os.system, f'touch {marker}')


def evaluate(marker):
    return Call(eval, f'__import__("os").system("touch {marker}")')


def nested(marker):
    return Call(pickle.loads, pickle.dumps(system(marker)))


# What is refused, as a pickle of protocol 2 names it, and what would run.
ATTACKS = {
    f'{os.system.__module__}.system': system,
    '__builtin__.eval': evaluate,
    'pickle.loads': nested,
}


def write(folder, content):
    torch.save(content, folder / 'some.ckpt')
    return folder / 'some.ckpt'


def refused(file, *parts):
    with pytest.raises(SourceError, match=re.escape(str(file))) as caught:
        load(file)
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert '\n' not in message


def rewrite(file, change, compression=zipfile.ZIP_STORED):
    """Write an archive anew, each entry as ``change(name, data)`` makes it."""
    with zipfile.ZipFile(file) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(file, 'w', compression) as archive:
        for name, data in entries:
            archive.writestr(name, change(name, data))
    return file


@pytest.mark.parametrize('name', ATTACKS)
@pytest.mark.parametrize('place', ['alone', 'in a list', 'in a state dict'])
def test_what_a_file_would_run_is_named_and_does_not_run(tmp_path, name, place):
    marker = tmp_path / 'marker'
    attack = ATTACKS[name](marker)
    content = {
        'alone': attack,
        'in a list': [1, [attack]],
        'in a state dict': {'state_dicts': {'model': {'weight': torch.ones(2), 'x': attack}}},
    }[place]
    file = write(tmp_path, content)
    refused(file, 'refused', f'it names {name}')
    assert not marker.exists()
    torch.load(file, weights_only=False)
    assert marker.exists()  # so that the file is one that runs something


@pytest.mark.parametrize(
    ('content', 'name'),
    [
        (Own(), f'{Own.__module__}.Own'),
        (Call(torch.load, 'other.ckpt'), 'torch.serialization.load'),
        (Call(torch.jit.load, 'other.pt'), 'torch.jit._serialization.load'),
        (Call(getattr, 'text', 'encode'), '__builtin__.getattr'),
        (torch.nn.Linear(1, 1), 'torch.nn.modules.linear.Linear'),
    ],
)
def test_any_other_function_or_class_is_refused(tmp_path, content, name):
    refused(write(tmp_path, {'cfg': content}), f'it names {name}')


def test_a_pickle_inside_stays_bytes(tmp_path):
    marker = tmp_path / 'marker'
    inner = pickle.dumps(system(marker))
    assert load(write(tmp_path, {'pickles': {'epoch': inner}})) == {'pickles': {'epoch': inner}}
    assert not marker.exists()


def test_what_stands_for_a_function_cannot_be_made_another(tmp_path):
    # OrderedDict gets the state of a partial that calls itself, and is called.
    loop = b'\x80\x02ccollections\nOrderedDict\nq\x00(h\x00)}}tb)R.'
    file = write(tmp_path, {})
    rewrite(file, lambda name, data: loop if name.endswith('data.pkl') else data)
    refused(file, 'it sets the state of a function')


def test_a_real_file_is_read():
    payload = load(golden.FOLDER / 'unet.ckpt')
    assert payload['cfg']['policy']['model']['down_dims'] == golden.UNET_DIMS
    assert payload['cfg']['policy']['num_inference_steps'] == 100
    assert isinstance(payload['pickles']['epoch'], bytes)
    weights = payload['state_dicts']['ema_model']
    scale, offset = (
        weights[f'normalizer.params_dict.action.{name}'] for name in ('scale', 'offset')
    )
    torch.testing.assert_close(golden.LOW * scale + offset, -torch.ones(2))
    torch.testing.assert_close(golden.HIGH * scale + offset, torch.ones(2))


@pytest.mark.parametrize(
    'dtype', [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
def test_tensors_come_back(tmp_path, dtype):
    whole = torch.arange(24).reshape(2, 3, 4).to(dtype)
    content = {
        'whole': whole,
        'part': whole[:, 1, ::2].T,
        'one': torch.tensor(7, dtype=dtype),
        'none': torch.empty(0, 3, dtype=dtype),
        'parameter': torch.nn.Parameter(torch.ones(2)),
    }
    read = load(write(tmp_path, content))
    assert list(read) == list(content)
    for name, value in content.items():
        torch.testing.assert_close(read[name], value.detach(), rtol=0, atol=0)


def test_a_truncated_file(tmp_path):
    data = (golden.FOLDER / 'unet.ckpt').read_bytes()
    for size in (0, 100, len(data) // 2, len(data) - 10):
        file = tmp_path / 'cut.ckpt'
        file.write_bytes(data[:size])
        refused(file, 'truncated, or not written by torch.save')


def test_a_file_of_another_kind(tmp_path):
    file = tmp_path / 'old.ckpt'
    file.write_bytes(pickle.dumps({'cfg': 1}))
    refused(file, 'not written by torch.save of PyTorch 1.6 or newer')
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr('notes.txt', 'no pickle')
    refused(file, 'it holds 0 data.pkl instead of one')
    refused(tmp_path / 'none.ckpt', 'No such file')
    refused(tmp_path, 'Is a directory')


def test_a_compressed_archive(tmp_path):
    file = write(tmp_path, {'x': torch.ones(3)})
    rewrite(file, lambda _, data: data, zipfile.ZIP_DEFLATED)
    refused(file, 'is compressed')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda data: data[:-4], 'has 2 values instead of 3'),
        (lambda data: data + bytes(4), 'has 4 values instead of 3'),
        (lambda data: b'', 'has 0 values instead of 3'),
        (lambda data: data[:-1], 'broken'),
    ],
)
def test_a_storage_of_another_size(tmp_path, change, message):
    file = write(tmp_path, {'x': torch.ones(3)})
    rewrite(file, lambda name, data: change(data) if name.endswith('/data/0') else data)
    refused(file, message)


def test_a_tensor_larger_than_its_storage(tmp_path):
    file = write(tmp_path, {'x': torch.ones(3)})
    wider = (b'K\x03\x85', b'K\x09\x85')  # the tuple with its size
    rewrite(file, lambda name, data: data.replace(*wider) if 'data.pkl' in name else data)
    refused(file, 'broken')


def doubled(times, leaf):
    """Return a program that makes a tuple of a tuple twice, and so on."""
    return leaf + b'2\x86' * times


def called(times, made):
    """Return a program that makes a list of something, many times."""
    return b'(' + made * times + b'l'


BLOB = b'X' + (500_000).to_bytes(4, 'little') + b'x' * 500_000 + b'q\x00'
NAME = b'X\x07\x00\x00\x00storage'
STORAGE = b'(' + NAME + b'ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x03tQ'
REBUILD = b'ctorch._utils\n_rebuild_tensor_v2\n'


def view(size, stride):
    return REBUILD + b'(' + STORAGE + b'K\x00' + size + stride + b'\x89NtR'


BILLION = (10**9).to_bytes(4, 'little')
# Programs of at most half a megabyte that made gigabytes, or never ended; and what is said.
BOMBS = {
    'stride 0': (view(b'J' + BILLION + b'\x85', b'K\x00\x85'), 'more values than its storage'),
    'nested tuples': (doubled(60, b')'), 'much larger than its pickle'),
    'nested in lists': (doubled(25, b'(lq\x01'), 'much larger than its pickle'),
    'a key that is nested': (b'}' + doubled(60, b')') + b'K\x01s', 'a key that is a tuple'),
    'keys that are nested': (b'}(' + doubled(60, b')') + b'K\x01u', 'a key that is a tuple'),
    'a dict of nested keys': (b'(' + doubled(60, b')') + b'K\x01d', 'a key that is a tuple'),
    'a set of nested tuples': (b'\x8f(' + doubled(60, b')') + b'\x90', 'broken'),
    'a frozen set of them': (b'(' + doubled(60, b')') + b'\x91', 'broken'),
    'a long memo': (b'Nr\xff\xff\xff\x7f', ''),
    'a bytearray': (b'\x96' + (2**34).to_bytes(8, 'little'), 'broken'),
    'bytes': (b'\x8e' + (2**34).to_bytes(8, 'little'), 'broken'),
    'a frame': (b'\x95' + (2**34).to_bytes(8, 'little'), 'broken'),
    'text again and again': (BLOB + called(10_000, b'h\x00'), 'much larger than its pickle'),
    'text as bytes': (
        BLOB + b'0' + called(10_000, b'c_codecs\nencode\nh\x00h\x00\x86R'),
        'much larger than its pickle',
    ),
    'dicts of one list': (
        b']('
        + b'K\x01K\x01\x86' * 9999
        + b'eq\x000'
        + called(9999, b'ccollections\nOrderedDict\nh\x00\x85R'),
        'broken',
    ),
    'names of types': (b'cdill._dill\n_load_type\n' + doubled(60, b')') + b'\x85R', ''),
    'a storage that is nested': (doubled(60, b')') + b'Q', 'no storage of a tensor'),
    'a tensor that is set': (
        view(b'K\x03\x85', b'K\x01\x85')
        + b'('
        + STORAGE
        + b'K\x00J'
        + BILLION
        + b'\x85K\x01\x85tb',
        'it sets the state of a view',
    ),
    'deep lists': (b'(' * 200_000 + b'l' * 200_000, 'nested deeper than 64 levels'),
    'itself': (b']q\x00h\x00a', 'nested deeper than 64 levels'),
}


# Prints what is said of each file, and by how much the process grew for it [kB].
LOAD = """
import resource, sys
from pathlib import Path
from dp_ros.policy.importing.restricted_pickle import load
from dp_ros.policy.importing.source import SourceError
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in sys.argv[1:]:
    before, said = peak(), ''
    try:
        repr(load(Path(file)))
    except SourceError as error:
        said = str(error)
    print(peak() - before, said, flush=True)
"""


@pytest.fixture(scope='module')
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bombs')
    files = []
    for index, (program, _) in enumerate(BOMBS.values()):
        file = write(folder, {'x': torch.ones(3)}).rename(folder / f'{index}.ckpt')
        data = b'\x80\x02' + program + b'.'
        swap = functools.partial(lambda new, name, old: new if 'data.pkl' in name else old, data)
        files.append(rewrite(file, swap))
    command = [sys.executable, '-c', LOAD, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    return dict(zip(BOMBS, done.stdout.splitlines(), strict=False))


@pytest.mark.parametrize('name', BOMBS)
def test_what_is_made_is_bounded_by_what_is_read(answers, name):
    kilobytes, _, said = answers[name].partition(' ')
    message = BOMBS[name][1]
    assert message in said and bool(message) == bool(said)
    assert int(kilobytes) < 300_000


def test_a_storage_is_read_once(tmp_path):
    many = [torch.arange(250_000.0)] * 1000
    read = load(write(tmp_path, [value[index:] for index, value in enumerate(many)]))
    assert len({value.untyped_storage().data_ptr() for value in read}) == 1
    torch.testing.assert_close(read[7], many[0][7:])


def test_an_archive_whose_entries_lie_on_each_other(tmp_path):
    file = write(tmp_path, {'x': torch.ones(30_000)})
    with zipfile.ZipFile(file, 'a') as archive:
        entry = next(each for each in archive.infolist() if each.filename.endswith('data/0'))
        for index in range(1, 1000):
            again = copy.copy(entry)
            again.filename = entry.filename.replace('data/0', f'data/{index}')
            archive.filelist.append(again)
        archive._didModify = True
    refused(file, 'its entries are larger than itself')


def test_a_pickle_cut_short(tmp_path):
    file = write(tmp_path, {'x': torch.ones(3)})
    rewrite(file, lambda name, data: data[:-5] if name.endswith('data.pkl') else data)
    refused(file, 'broken')
