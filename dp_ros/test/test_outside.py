# SPDX-License-Identifier: Apache-2.0
"""YAML and JSON from outside: what is small is read, what is too much is refused by its line."""

import json
import resource
import subprocess
import sys

from dp_ros.outside import MOST_DEPTH, OutsideError, parse_json, parse_yaml, read_json, read_yaml
import pytest

LAUGHS = 'a0: &a0 [x, x]\n' + ''.join(
    f'a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n' for i in range(1, 60)
)
BLOCKS = ''.join('  ' * depth + 'a:\n' for depth in range(3000))
# Each took the process down, or minutes, or gigabytes; and the line that is named.
TOO_MUCH = {
    'brackets': ('[' * 50_000, 1),
    'braces': ('{a: ' * 50_000, 1),
    'blocks': (BLOCKS, MOST_DEPTH + 1),
    'dashes': ('- ' * 50_000, 1),
    'behind': ('a: 1\nb: 2\nc: ' + '[' * 50_000 + ']' * 50_000, 3),
    'laughs': (LAUGHS, 18),
    'recursive': ('a: &a\n  b: *a\n', 2),
    'sexagesimal': ('a: ' + ':'.join(['59'] * 300_000), 1),
    'digits': ('a: 0x' + 'f' * 300_000, 1),
    'tagged': ('a: !!int "' + '1' * 300_000 + '"', 1),
}
BROKEN = ('{', 'a: b: c', '!!python/object:os.system {}', 'a: 2001-99-99', '!!int x', '\x00', '*a')


@pytest.mark.parametrize('name', TOO_MUCH)
def test_yaml_that_is_too_much_names_its_line(name):
    text, line = TOO_MUCH[name]
    with pytest.raises(
        OutsideError, match=rf'^some\.yaml: cannot be read: line {line} '
    ) as caught:
        parse_yaml(text, 'some.yaml')
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize('text', BROKEN)
def test_broken_yaml_is_told_in_a_line(text):
    with pytest.raises(OutsideError, match=r'^some\.yaml: cannot be read: .+') as caught:
        parse_yaml(text, 'some.yaml')
    assert '\n' not in str(caught.value)


def test_ordinary_yaml_with_anchors_is_read():
    text = 'base: &base {dt: 0.1, names: &names [a, b]}\nmine:\n  <<: *base\n  more: *names\n'
    read = parse_yaml(text, 'some.yaml')
    assert read['mine'] == {'dt': 0.1, 'names': ['a', 'b'], 'more': ['a', 'b']}
    deepest = '[' * MOST_DEPTH + ']' * MOST_DEPTH
    assert parse_yaml(deepest, 'some.yaml') and parse_json(deepest, 'some.json')


@pytest.mark.parametrize('depth', [MOST_DEPTH + 1, 900, 100_000])
@pytest.mark.parametrize(('begin', 'end'), ['[]', ('{"a":', '}')])
def test_json_that_is_too_deep(depth, begin, end):
    text = begin * depth + '1' + end * depth
    with pytest.raises(OutsideError, match=r'^some\.json: cannot be read: nested deeper than 64'):
        parse_json(text, 'some.json')


@pytest.mark.parametrize('text', ['', '{', '[1,]', '1' * 5000, '"\x00"', 'nul'])
def test_broken_json_is_told_in_a_line(text):
    with pytest.raises(OutsideError, match=r'^some\.json: cannot be read: .+') as caught:
        parse_json(text, 'some.json')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('read', [read_json, read_yaml])
def test_files_that_hold_no_text_or_too_much(tmp_path, read):
    file = tmp_path / 'some.file'
    file.write_bytes(b'\xff\xfe\xfd')
    with pytest.raises(OutsideError, match=r'some\.file: cannot be read: .*decode'):
        read(file)
    with file.open('wb') as opened:
        opened.truncate(2**40)
    with pytest.raises(OutsideError, match=r'some\.file: cannot be read: over 16000000 bytes'):
        read(file)


def test_what_is_too_much_costs_neither_memory_nor_time():
    texts = {name: text for name, (text, _) in TOO_MUCH.items()}
    code = (
        'import json, sys\nfrom dp_ros.outside import OutsideError, parse_yaml\n'
        'for name, text in json.load(sys.stdin).items():\n'
        '    try:\n        parse_yaml(text, name)\n    except OutsideError:\n        continue\n'
        '    sys.exit(name)\n'
    )

    done = subprocess.run(
        [sys.executable, '-c', code],
        input=json.dumps(texts).encode(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9)),
        timeout=60,
    )
    assert done.returncode == 0
