# SPDX-License-Identifier: Apache-2.0
"""Imported policies are the same functions as the references, by golden chunks of theirs."""

import json
import shutil

from dp_ros.policy.engine import make_engine
from dp_ros.policy.importing import diffusion_policy, lerobot, restricted_pickle
from dp_ros.policy.importing.source import Names
from dp_ros.policy.policy import Policy
from golden import renew_importing as golden
import numpy as np
import pytest

CHUNKS = json.loads((golden.FOLDER / 'chunks.json').read_text())
OBSERVATION = {'state': golden.observations(golden.N_STATES).numpy(), 'images': {}}
VARIANTS = pytest.mark.parametrize(('kind', 'scheduler'), golden.VARIANTS)


def chunk(found, engine='torch'):
    """Make the chunk as the reference does: its sampler, its steps, the same seed."""
    network = found.network
    policy = Policy(network.config, make_engine(engine, network, 'cpu', 1), network.actions)
    made = policy.infer(
        OBSERVATION,
        golden.SEED,
        sampler=found.sampler,
        num_inference_steps=found.num_inference_steps,
    )
    return made.actions[0]


def ckpt(name, kind='epsilon', scheduler='DDPM'):
    """Read a `.ckpt`, with what else its configuration could say."""
    payload = restricted_pickle.load(golden.FOLDER / f'{name}.ckpt')
    policy = payload['cfg']['policy']
    policy['num_inference_steps'] = golden.STEPS[scheduler]
    policy['noise_scheduler'] = golden.scheduler_settings(kind, scheduler) | {
        '_target_': f'diffusers.{scheduler}Scheduler'
    }
    return payload


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(golden.FOLDER / 'lerobot', tmp_path / 'lerobot')
    return tmp_path / 'lerobot'


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@VARIANTS
@pytest.mark.parametrize('name', ['unet', 'transformer'])
def test_a_ckpt_makes_the_chunk_that_diffusion_policy_makes(name, kind, scheduler):
    found = diffusion_policy.convert(ckpt(name, kind, scheduler), Names())
    wanted = CHUNKS[name][f'{kind} {scheduler}']
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose(chunk(found), wanted, rtol=0, atol=1e-5)


@VARIANTS
def test_a_folder_makes_the_chunk_that_lerobot_makes(folder, kind, scheduler):
    change(
        folder / 'config.json',
        prediction_type=kind,
        noise_scheduler_type=scheduler,
        num_inference_steps=golden.STEPS[scheduler] if scheduler == 'DDIM' else None,
    )
    wanted = CHUNKS['lerobot'][f'{kind} {scheduler}']
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose(chunk(lerobot.load(folder, Names())), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', ['unet', 'transformer'])
def test_the_chunk_is_the_same_from_openvino(name):
    pytest.importorskip('openvino')
    found = diffusion_policy.convert(ckpt(name, scheduler='DDIM'), Names())
    wanted = CHUNKS[name]['epsilon DDIM']
    np.testing.assert_allclose(chunk(found, 'openvino'), wanted, rtol=0, atol=1e-4)
