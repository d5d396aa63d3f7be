# SPDX-License-Identifier: Apache-2.0
"""A `.ckpt` gives plain values, or is refused by name; what it would run never runs."""

import os
import pickle
import re
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
    refused(file, 'broken')


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


def test_a_pickle_cut_short(tmp_path):
    file = write(tmp_path, {'x': torch.ones(3)})
    rewrite(file, lambda name, data: data[:-5] if name.endswith('data.pkl') else data)
    refused(file, 'broken')
