# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of one method that is taken for one of another."""

from dataclasses import replace
import json

from dp_ros.policy.checkpoint import CheckpointError, load_network, load_policy
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.methods.consistency import Consistency
from dp_ros.training.teacher import load_teacher
from dp_ros.values import ConfigError
import numpy as np
import pytest
from test_checkpoint import rewrite
import tiny_policy

SMALL = {'image_sizes': {}, 'denoiser': Unet(down_dims=(16,), timestep_dim=16)}
CONFIG = tiny_policy.changed(**SMALL)
MISFIT = r'(?s)do not fit: (.*size mismatch for denoiser|networks of \d+ weights: there are)'


def checkpoint(folder, method, **changes):
    return tiny_policy.checkpoint(folder, **(SMALL | {'method': method} | changes))


@pytest.mark.parametrize(
    ('method', 'options', 'reason'),
    [
        ('flow_matching', {'sampler': 'ddim'}, r"'ddim': needs one of \('auto', 'euler', 'heun'"),
        ('flow_matching', {'num_inference_steps': 1001}, 'num_inference_steps = 1001: needs 1 to'),
        ('diffusion', {'sampler': 'heun'}, r"'heun': needs one of \('auto', 'ddim', 'ddpm'"),
        ('diffusion', {'sampler': 'consistency'}, "'consistency': needs one of"),
        ({'name': 'consistency', 'process': {}}, {'sampler': 'ddim'}, "'ddim': needs one of"),
        ({'name': 'consistency', 'process': {}}, {'num_inference_steps': 11}, 'needs 1 to 10'),
    ],
)
def test_a_checkpoint_is_not_sampled_as_another_method_is(tmp_path, method, options, reason):
    policy = load_policy(checkpoint(tmp_path, method), engine='torch')
    with pytest.raises(ConfigError, match=reason):
        policy.infer(tiny_policy.observation(config=CONFIG), 0, **options)


@pytest.mark.parametrize('method', ['regression', 'gaussian', 'mixture', 'gan', 'act'])
def test_a_method_without_samplers_answers_the_same_whatever_is_asked_of_it(tmp_path, method):
    policy = load_policy(checkpoint(tmp_path, method), engine='torch')
    seen = tiny_policy.observation(config=CONFIG)
    plain = policy.infer(seen, 0).actions
    asked = policy.infer(seen, 0, sampler='ddim', num_inference_steps=50).actions
    np.testing.assert_array_equal(asked, plain)


@pytest.mark.parametrize(
    ('written', 'read'),
    [
        ('diffusion', 'gaussian'),
        ('diffusion', 'act'),
        ('gaussian', 'regression'),
        ('mixture', 'gaussian'),
        ('mixture', {'name': 'mixture', 'n_modes': 4}),
        ('act', 'flow_matching'),
    ],
)
def test_weights_of_another_method_are_refused(tmp_path, written, read):
    folder = checkpoint(tmp_path / 'written', written)
    other = json.loads((checkpoint(tmp_path / 'read', read) / 'policy.json').read_text())
    method = other['policy']['method']
    rewrite(folder, lambda description: description['policy'].update(method=method))
    with pytest.raises(CheckpointError, match=MISFIT):
        load_network(folder)


def test_a_checkpoint_of_a_student_without_its_process_is_refused(tmp_path):
    folder = checkpoint(tmp_path, 'diffusion')
    method = Consistency().to_dict()
    rewrite(folder, lambda description: description['policy'].update(method=method))
    with pytest.raises(CheckpointError, match=r'consistency\.process is missing: training fills'):
        load_network(folder)


@pytest.mark.parametrize('method', ['flow_matching', 'gaussian', 'act'])
def test_a_teacher_of_another_method_is_refused(tmp_path, method):
    teacher = checkpoint(tmp_path, method)
    student = tiny_policy.changed(CONFIG, method=Consistency(str(teacher)))
    with pytest.raises(ConfigError, match=f'is a {method} policy, needs a diffusion one'):
        load_teacher(student)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'denoiser': Unet(down_dims=(24,))}, r'denoiser = .*\(24,\).*teacher has .*\(16,\)'),
        ({'denoiser': 'lstm'}, r'denoiser = Lstm.*teacher has Unet'),
        ({'joints': ('a', 'b')}, r"teacher differ: joints: \['a', 'b'\] and \['fr3_joint1'"),
        (
            {'n_obs_steps': 3},
            'tasks of student and consistency.teacher differ: n_obs_steps: 3',
        ),
        ({'action_modes': 'none'}, r"action_modes = \('none',\): the consistency.teacher has"),
        ({'image_sizes': {'front': (32, 40)}}, 'teacher differ: cameras.front: .* and None'),
    ],
)
def test_a_teacher_of_another_shape_is_refused(tmp_path, changes, reason):
    teacher = checkpoint(tmp_path, 'diffusion')
    student = tiny_policy.changed(CONFIG, **({'method': Consistency(str(teacher))} | changes))
    with pytest.raises(ConfigError, match=reason):
        tiny_policy.student(student)


def test_the_process_of_a_student_does_not_clip_what_is_not_normalised_to_its_range():
    method = {'name': 'consistency', 'process': {}}
    with pytest.raises(ConfigError, match='diffusion.clip_sample = True: would cut'):
        replace(CONFIG, method=method, action_modes='mean_std')
    replace(CONFIG, method=method | {'process': {'clip_sample': False}}, action_modes='mean_std')
