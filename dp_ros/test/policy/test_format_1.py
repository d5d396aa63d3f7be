# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of dp_ros 0.1 are renewed as the same policy, or refused with the reason."""

import copy
from dataclasses import replace
import json

from dp_ros.policy.checkpoint import CheckpointError, load_description, load_policy
from dp_ros.policy.importing.format_1 import is_format_1, renew
from dp_ros.policy.importing.source import SourceError
from dp_ros.task.task import OBSERVATIONS
from dp_ros.tools import import_checkpoint
import numpy as np
import pytest
from test_checkpoint import rewrite
from test_checkpoint_mutations import WRONG, places, put
import tiny_policy

FINGERS = {'gripper_joints': ('fr3_finger_joint1',)}
# Settings that came later than the first checkpoints of the format.
ADDED = ('past_actions', 'state_modes', 'action_modes')
ADDED_PARTS = {
    'method': ('beta_start', 'beta_end'),
    'denoiser': ('film_scale', 'skips', 'out_groups'),
    'encoder': ('shared', 'mean', 'std', 'color_jitter'),
}
POLICIES = {
    'one camera': {},
    'a gripper': FINGERS,
    'commands': {'observations': OBSERVATIONS, 'cameras': {}, **FINGERS},
    'other states': {'state_names': ('x', 'y'), 'cameras': {}},
    'two cameras': {'image_sizes': {'front': (32, 40), 'wrist': (40, 40)}, 'dt': 0.05},
    'other numbers': {'n_obs_steps': 3, 'horizon': 8, 'n_action_steps': 2},
}


def age(folder, *, first=False):
    """Make a checkpoint what dp_ros 0.1 wrote; ``first``: in its first version."""

    def change(new):
        task = new.pop('task')
        joints = task['joints'] + task['gripper_joints']
        old = {
            'joint_names': joints,
            'image_sizes': {name: camera['size'] for name, camera in task['cameras'].items()},
            'state_names': task['state_names'] or joints,
            'past_actions': 'commanded_positions' in task['observations'],
            **{key: task[key] for key in ('dt', 'n_obs_steps', 'horizon', 'n_action_steps')},
        }
        new['format'], new['policy'] = 1, old | new['policy']
        new['action'] = 'commanded positions of joint_names'
        if first:
            for key in ADDED:
                del new['policy'][key]
            for part, keys in ADDED_PARTS.items():
                for key in keys:
                    del new['policy'][part][key]

    rewrite(folder, change)
    return folder


@pytest.fixture
def old(tmp_path):
    return age(tiny_policy.checkpoint(tmp_path / 'old'))


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    def call(source):
        argv = ['import_checkpoint', str(source), '--out', str(tmp_path / 'new')]
        monkeypatch.setattr('sys.argv', argv)
        return import_checkpoint.main(), *capsys.readouterr()

    return call


@pytest.mark.parametrize('name', POLICIES)
def test_a_renewed_policy_is_the_same(tmp_path, command, name):
    folder = tiny_policy.checkpoint(tmp_path / 'old', **POLICIES[name])
    before = load_policy(folder, engine='torch')
    weights = (folder / 'policy.safetensors').read_bytes()
    assert not is_format_1(folder)
    assert is_format_1(age(folder))
    code, said, complaint = command(folder)
    assert (code, complaint) == (0, '')
    assert (
        said == f'checkpoint: {tmp_path}/new\nits task: {tmp_path}/new/policy.json, section task\n'
    )
    after = load_policy(tmp_path / 'new', engine='torch')
    assert after.config == before.config
    assert (tmp_path / 'new' / 'policy.safetensors').read_bytes() == weights
    seen = tiny_policy.observation(config=before.config)
    chunks = [policy.infer(seen, 5).actions for policy in (before, after)]
    np.testing.assert_array_equal(*chunks)


def test_the_first_version_of_the_format_is_renewed_too(tmp_path):
    folder = tiny_policy.checkpoint(tmp_path / 'old')
    before = load_policy(folder, engine='torch')
    renew(age(folder, first=True), tmp_path / 'new')
    after = load_policy(tmp_path / 'new', engine='torch')
    assert after.config == before.config
    chunks = [policy.infer(tiny_policy.observation(), 5).actions for policy in (before, after)]
    np.testing.assert_array_equal(*chunks)


def test_a_task_file_gives_the_name_the_topics_and_the_latencies(tmp_path, old):
    task = tiny_policy.CONFIG.task
    cameras = {'front': replace(task.cameras['front'], topic='front/image', latency=0.05)}
    named = replace(task, name='mine', cameras=cameras)
    renew(old, tmp_path / 'new', named)
    assert load_policy(tmp_path / 'new', engine='torch').config.task == named
    for wrong in ({'dt': 0.2}, {'joints': task.joints[::-1]}, {'cameras': {}}):
        with pytest.raises(SourceError, match='the task file has .*, the policy'):
            renew(old, tmp_path / 'other', replace(task, **wrong))
    assert not (tmp_path / 'other').exists()


def test_what_was_noted_of_the_training_is_kept(tmp_path, old):
    before = json.loads((old / 'policy.json').read_text())
    renew(old, tmp_path / 'new')
    after = load_description(tmp_path / 'new')
    for key in ('normalizer', 'weights', 'training', 'versions'):
        assert after[key] == before[key], key


def test_loading_an_older_checkpoint_names_the_command(old):
    command = r'`ros2 run dp_ros import_checkpoint OLD --out NEW`'
    with pytest.raises(
        CheckpointError, match=f'old/policy.json: of the older format 1: {command}'
    ):
        load_policy(old)


@pytest.mark.parametrize(
    ('old_text', 'new_text'), [('"dt": 0.1', '"dt": 0.2'), ('"sha256": "', '"sha256": "0')]
)
def test_an_altered_description_is_refused(tmp_path, old, command, old_text, new_text):
    file = old / 'policy.json'
    file.write_text(file.read_text().replace(old_text, new_text))
    complaint = f'import_checkpoint: {file}: was altered after training; copy it again\n'
    assert command(old) == (1, '', complaint)
    assert not (tmp_path / 'new').exists()


def test_altered_weights_are_refused(tmp_path, old, command):
    file = old / 'policy.safetensors'
    file.write_bytes(file.read_bytes()[:-1])
    complaint = f'import_checkpoint: {file}: is truncated or was altered; copy it again\n'
    assert command(old) == (1, '', complaint)
    file.unlink()
    assert 'No such file' in command(old)[2]
    assert not (tmp_path / 'new').exists()


def test_a_policy_is_not_written_over(tmp_path, old, command):
    assert command(old)[0] == 0
    code, _, complaint = command(old)
    assert code == 1 and 'holds a policy already' in complaint


@pytest.mark.parametrize('text', [None, '', '[]', '{', '{"format": 2}', '[' * 100_000])
def test_other_folders_are_not_of_the_format(tmp_path, text):
    if text is not None:
        (tmp_path / 'policy.json').write_text(text)
    assert not is_format_1(tmp_path)


def test_whatever_is_wrong_in_a_description(tmp_path, old):
    whole = json.loads((old / 'policy.json').read_text())
    tried = refused = 0
    for path in places({key: whole[key] for key in ('policy', 'weights')}):
        for wrong in WRONG:
            changed = copy.deepcopy(whole)
            put(changed, path, wrong)
            rewrite(old, lambda held, new=changed: (held.clear(), held.update(new)))
            tried += 1
            try:
                renew(old, tmp_path / 'new')
            except SourceError as error:
                assert '\n' not in str(error) and len(str(error)) < 1500, (path, wrong)
                assert str(error).startswith(str(old)), (path, wrong)
                refused += 1
    assert tried > 500 and refused > tried * 0.6
