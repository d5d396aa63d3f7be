# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong in the settings of another library's policy is refused by name."""

import copy
import json
import math
import shutil

from dp_ros.policy.importing import diffusion_policy, lerobot, restricted_pickle
from dp_ros.policy.importing.source import Names, SourceError
from golden import renew_importing as golden
import pytest
from test_checkpoint_mutations import EXTRA, MISSING, places, put
import torch

WRONG = (None, True, 'x' * 9999, [[]], {'x': 1}, -1, 10**18, math.nan, MISSING, EXTRA)
FILES = ('config.json', 'policy_preprocessor.json', 'policy_postprocessor.json')
# Where a number that can be makes another policy, and a missing one its library's default.
OTHERS = ('beta_start', 'beta_end', 'num_train_timesteps', 'beta_schedule', 'prediction_type')
OTHERS += ('p_drop_emb', 'p_drop_attn', 'normalization_mapping', 'clip_sample', 'causal_attn')


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(golden.FOLDER / 'lerobot', tmp_path / 'lerobot')


def told(make):
    """Return what is imported, or None where it is refused in a line."""
    try:
        return make()
    except SourceError as error:
        assert '\n' not in str(error) and len(str(error)) < 1000
        return None


def same(found, whole, path, wrong):
    """Check that a wrong value did not make another policy."""
    if path[-1] not in OTHERS or wrong is not MISSING and type(wrong) not in (int, float, bool):
        assert found.network.config == whole.network.config, (path, wrong)


@pytest.mark.parametrize('name', FILES)
def test_whatever_is_wrong_in_a_file_of_lerobot(folder, name):
    whole = lerobot.load(folder, Names())
    document = json.loads((folder / name).read_text())
    refused = 0
    for path in places(document):
        for wrong in WRONG:
            changed = copy.deepcopy(document)
            put(changed, path, wrong)
            (folder / name).write_text(json.dumps(changed))
            found = told(lambda: lerobot.load(folder, Names()))
            refused += found is None
            if found is not None and name == FILES[0]:
                same(found, whole, path, wrong)
    assert refused > 20


@pytest.mark.parametrize('name', ['unet', 'transformer'])
def test_whatever_is_wrong_in_a_ckpt(name):
    payload = restricted_pickle.load(golden.FOLDER / f'{name}.ckpt')
    whole = diffusion_policy.convert(payload, Names())
    read = {key: payload['cfg'][key] for key in ('policy', 'training')}
    refused = 0
    for path in places(read):
        for wrong in WRONG:
            changed = copy.deepcopy(payload['cfg'])
            put(changed, path, wrong)
            found = told(
                lambda new=changed: diffusion_policy.convert(payload | {'cfg': new}, Names())
            )
            refused += found is None
            if found is not None:
                same(found, whole, path, wrong)
    assert refused > 100


@pytest.mark.parametrize(
    'wrong',
    [
        torch.zeros(()),
        torch.zeros(0),
        torch.zeros(1),
        torch.zeros(2, 3, 4),
        torch.full((2,), torch.nan),
    ],
    ids=lambda tensor: str(tuple(tensor.shape)),
)
def test_weights_of_any_other_shape(wrong):
    payload = restricted_pickle.load(golden.FOLDER / 'transformer.ckpt')
    for name in list(payload['state_dicts']['ema_model'])[::3]:
        changed = copy.copy(payload)
        states = payload['state_dicts']['ema_model'] | {name: wrong.expand_as(wrong)}
        changed['state_dicts'] = {'ema_model': states, 'model': states}
        told(lambda new=changed: diffusion_policy.convert(new, Names()))


def test_a_configuration_cannot_ask_for_more_than_there_is(folder):
    document = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps(document | {'down_dims': [2**20, 2**20]}))
    with pytest.raises(SourceError, match=r'networks of \d{12,} weights: there are \d{4,6}$'):
        lerobot.load(folder, Names())
