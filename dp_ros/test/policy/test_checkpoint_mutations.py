# SPDX-License-Identifier: Apache-2.0
"""A `policy.json` with anything wrong in it is refused by name, or loads as just what it says."""

from collections.abc import Mapping
import copy
import json
import math
from pathlib import Path
import resource
import shutil

from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.config import to_dict
from dp_ros.task.task import task_to_dict
import pytest
from test_checkpoint import rewrite

MODELS = sorted(
    folder.parent for folder in (Path(__file__).parents[3] / 'models').glob('*/*.json')
)
MISSING, EXTRA = object(), object()
WRONG = (
    *(None, True, '', 'x', '7', [], ['x'], [[]], {}, {'x': 1}, [None, 1], 'x' * 100_000),
    *(-1, 0, 10**9, 10**18, 10**30, -1.5, 1e-9, 1e30, math.nan, math.inf, -math.inf),
    *(MISSING, EXTRA),
)
RECORDED = ('training', 'versions')  # for people: the policy is the same without


def places(value, path=()):
    """Give the path of every value in a JSON document; of lists, of the first."""
    if path:
        yield path
    if path and path[0] in RECORDED:
        return
    inner = value.items() if isinstance(value, Mapping) else ()
    for key, each in list(enumerate(value))[:1] if isinstance(value, list) else inner:
        yield from places(each, (*path, key))


def put(document, path, value):
    *before, last = path
    for key in before:
        document = document[key]
    if value is MISSING:
        del document[last]
    elif value is EXTRA and isinstance(document, dict):
        document['extra'] = 1
    elif value is EXTRA:
        document.append('extra')
    else:
        document[last] = value


def holds(loaded, said):
    """Say whether what was loaded is what a file says, where it says something."""
    if isinstance(said, dict):
        return all(
            (key, said[key]) == ('topic', '')  # of the camera's name, as documented
            or (key in loaded and holds(loaded[key], said[key]))
            for key in said
        )
    one = [said] if isinstance(said, str) and isinstance(loaded, list) else said
    return json.dumps(loaded) == json.dumps(one)


def peak():
    """Return the most memory that this process ever had [KiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize('model', MODELS, ids=lambda folder: folder.name)
def test_whatever_is_wrong_in_a_description(tmp_path, model):
    folder = tmp_path / 'policy'
    folder.mkdir()
    weights = folder / 'policy.safetensors'
    whole = json.loads((model / 'policy.json').read_text())
    before = peak()
    tried = refused = 0
    for path in places({k: v for k, v in whole.items() if k != 'sha256'}):
        # The other sections need no weights to be judged, which is faster.
        weights.unlink(missing_ok=True)
        if path[0] in ('task', 'policy'):
            weights.symlink_to(model / 'policy.safetensors')
        for wrong in WRONG:
            shutil.copy(model / 'policy.json', folder)
            changed = copy.deepcopy(whole)
            put(changed, path, wrong)
            rewrite(folder, lambda held, new=changed: (held.clear(), held.update(new)))
            tried += 1
            try:
                config = load_network(folder).config
            except CheckpointError as error:
                assert '\n' not in str(error) and len(str(error)) < 1500, (path, wrong)
                refused += f'{weights}: cannot be read' not in str(error)
            else:
                said = json.loads((folder / 'policy.json').read_text())
                loaded = {'task': task_to_dict(config.task), 'policy': to_dict(config)}
                assert all(holds(loaded[name], said[name]) for name in loaded), (path, wrong)
    assert tried > 500 and refused > tried * 0.6
    assert peak() - before < 1_000_000
