# SPDX-License-Identifier: Apache-2.0
"""A `policy.json` with anything wrong in it is refused by name, or loads as just what it says."""

from collections.abc import Mapping
import copy
import itertools
import json
import math
import resource

from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.config import to_dict
from dp_ros.policy.denoisers.lstm import Lstm
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.encoders.vit import Vit
from dp_ros.policy.methods import METHODS
from dp_ros.policy.methods.consistency import Consistency
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.task.task import task_to_dict
from test_checkpoint import rewrite
import tiny_policy

NO_CAMERA = {'image_sizes': {}}
LARGER = {'image_sizes': {'front': (40, 52)}}
POLICIES = (
    {},
    {'gripper_joints': ('finger',), 'image_sizes': {'front': (32, 40), 'wrist': (40, 32)}},
    NO_CAMERA | {'state_names': ('x', 'y')},
    *(
        NO_CAMERA | {'method': kind(process=Diffusion()) if kind is Consistency else kind()}
        for kind in METHODS.values()
    ),
    NO_CAMERA | {'denoiser': Transformer(n_layers=1, n_heads=2, embed_dim=8)},
    NO_CAMERA | {'denoiser': Lstm(hidden_dim=8, n_layers=1, timestep_dim=8)},
    LARGER | {'encoder': Resnet(crop_margin=2, width=16, n_keypoints=4)},
    LARGER | {'encoder': Vit(crop_margin=2, patch_size=6, dim=24, depth=1, heads=3)},
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


def new_places(document, known):
    """Give the places whose value is not known from a document before, and note them."""
    for path in places({key: value for key, value in document.items() if key != 'sha256'}):
        value = document
        for key in path:
            value = value[key]
        place = (path, json.dumps(value) if path[0] in ('task', 'policy') else '')
        if place not in known:
            known.add(place)
            yield path


def test_whatever_is_wrong_in_a_description(tmp_path):
    known, before = set(), peak()
    tried = refused = 0
    for number, changes in enumerate(POLICIES):
        folder = tiny_policy.checkpoint(tmp_path / str(number), **changes)
        description, weights = folder / 'policy.json', folder / 'policy.safetensors'
        whole = json.loads(description.read_text())
        for path, wrong in itertools.product(new_places(whole, known), WRONG):
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
                said = json.loads(description.read_text())
                loaded = {'task': task_to_dict(config.task), 'policy': to_dict(config)}
                assert all(holds(loaded[name], said[name]) for name in loaded), (path, wrong)
    assert tried > 500 and refused > tried * 0.6, (tried, refused)
    assert peak() - before < 1_000_000
