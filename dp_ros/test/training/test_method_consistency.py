# SPDX-License-Identifier: Apache-2.0
"""Consistency distillation: the teacher's many steps in one, and what it needs of a teacher."""

import json
import shutil

from dp_ros.policy.checkpoint import load_network, load_policy, save_checkpoint
from dp_ros.policy.config import policy_from_dict
from dp_ros.policy.methods.consistency import Consistency
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.method import drawn_from
from dp_ros.policy.methods.schedulers import make_scheduler
from dp_ros.policy.network import PolicyNetwork
from dp_ros.training.config import RunConfig
from dp_ros.training.teacher import load_teacher
from dp_ros.training.trainer import train
from dp_ros.values import ConfigError
import numpy as np
import pytest
import test_trainer
import tiny_policy
import torch
import toy

TEACHER = Diffusion(num_train_timesteps=50, prediction_type='sample')


@pytest.fixture(scope='module')
def distilled(tmp_path_factory):
    """Teacher and student of the two ways."""
    folder = tmp_path_factory.mktemp('teacher')
    teacher = toy.learned(TEACHER)
    save_checkpoint(folder, teacher, {})
    return teacher, toy.learned(Consistency(str(folder)), steps=120, learning_rate=1e-3)


def chunks(network, steps):
    noise = np.random.default_rng(0).normal(size=(200, 8, 2))
    policy = toy.policy(network)
    options = {'n_samples': 200, 'noise': noise, 'num_inference_steps': steps}
    return policy.infer(toy.SEEN, 0, **options).actions


def test_one_step_of_the_student_is_nearer_to_the_teachers_ten_than_its_one(distilled):
    teacher, student = distilled
    ten = chunks(teacher, 10)
    error = np.abs(chunks(student, 1) - ten).mean()
    assert error < 0.1
    assert error < 0.8 * np.abs(chunks(teacher, 1) - ten).mean()


@pytest.mark.parametrize(('steps', 'share'), [(1, 0.7), (2, 0.9), (4, 0.95)])
def test_few_steps_find_both_ways(distilled, steps, share):
    y = toy.middles(distilled[1], num_inference_steps=steps)
    assert 0.2 < (y > 0).mean() < 0.8
    assert (np.abs(np.abs(y) - toy.BOW) < 0.2).mean() > share


@pytest.fixture
def teacher(tmp_path):
    return tiny_policy.checkpoint(tmp_path / 'teacher')


def policy_of(teacher, **changes):
    method = {'name': 'consistency', 'teacher': str(teacher), 'num_solver_steps': 4}
    return tiny_policy.changed(method=method, **changes)


def test_the_student_starts_as_the_teacher_and_keeps_its_eyes(teacher):
    student, denoiser = tiny_policy.student(policy_of(teacher))
    for name, value in load_network(teacher).state_dict().items():
        assert torch.equal(student.state_dict()[name], value), name
    fixed = [*student.encoders.parameters(), *denoiser.parameters()]
    assert not any(p.requires_grad for p in fixed)
    assert all(p.requires_grad for p in student.denoiser.parameters())


def test_it_trains_and_runs_without_its_teacher(tmp_path, teacher):
    run = RunConfig(policy_of(teacher), test_trainer.SETTINGS)
    taught = load_network(teacher)
    network = train(tiny_policy.dataset(), run, tmp_path, test_trainer.nothing, device='cpu')
    for before, after in zip(
        taught.encoders.parameters(), network.encoders.parameters(), strict=True
    ):
        assert torch.equal(before, after)
    assert not torch.equal(
        test_trainer.weights(network.denoiser), test_trainer.weights(taught.denoiser)
    )
    save_checkpoint(tmp_path, network, {})
    shutil.rmtree(teacher)
    policy = load_policy(tmp_path, engine='torch')
    assert policy.config.method.process == Diffusion(num_train_timesteps=20)
    assert np.isfinite(
        policy.infer(tiny_policy.observation(), 0, num_inference_steps=2).actions
    ).all()
    description = json.loads((tmp_path / 'policy.json').read_text())
    assert policy_from_dict(description['policy'], network.config.task) == network.config


def test_it_is_resumed_as_if_there_was_no_kill(tmp_path, teacher):
    run = RunConfig(policy_of(teacher), test_trainer.SETTINGS)
    whole = test_trainer.weights(test_trainer.run(tmp_path / 'whole', run))
    with pytest.raises(test_trainer.KilledError):
        test_trainer.run(tmp_path / 'killed', run, report=test_trainer.kill_at(3))
    resumed = test_trainer.run(tmp_path / 'killed', run, resume=True)
    assert torch.equal(test_trainer.weights(resumed), whole)


@pytest.mark.parametrize('prediction_type', ['epsilon', 'sample', 'v_prediction'])
def test_the_teacher_steps_as_ddim_does(prediction_type):
    process = Diffusion(prediction_type=prediction_type)
    method, sample = Consistency(process=process), torch.randn(2, 8, 3)

    def teacher(sample, timestep, cond):
        return 0.6 * sample.tanh()

    here, there = torch.tensor([70, 70]), torch.tensor([60, 60])
    _, moved = method._step(teacher, sample, here, there, None)
    scheduler = make_scheduler(process, 'ddim')
    scheduler.set_timesteps(10)
    step = scheduler.step(teacher(sample, here, None), 70, sample)
    torch.testing.assert_close(moved, step.prev_sample, rtol=1e-4, atol=1e-5)


def test_a_student_that_knows_where_the_paths_end_has_no_loss():
    """Of a single chunk all paths end there."""
    method, actions = Consistency(process=TEACHER), torch.rand(1, 8, 2).expand(16, 8, 2)

    def knows(sample, timestep, cond):
        return actions

    assert method.loss(knows, actions, torch.zeros(16, 0), knows) < 1e-10
    off = method.loss(lambda *_: actions + 0.5, actions, torch.zeros(16, 0), knows)
    assert off > 0


def test_the_noise_between_the_steps_is_the_generators():
    method = Consistency(process=TEACHER)

    def end(seed):
        draw = drawn_from(torch.Generator().manual_seed(seed))
        steps = method.walk(
            lambda x, t, c: x.tanh(), torch.ones(1, 8, 2), torch.zeros(1, 0), '', 3, draw
        )
        return list(steps)

    assert len(end(1)) == 4
    assert torch.equal(end(1)[-1], end(1)[-1])
    assert torch.equal(end(1)[1], end(2)[1])
    assert not torch.equal(end(1)[2], end(2)[2])


def test_more_steps_than_the_paths_have_are_refused():
    with pytest.raises(ConfigError, match='num_inference_steps = 11: needs 1 to 10'):
        Consistency(process=TEACHER).check_sampling('auto', 11)


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        ({}, 'consistency.teacher is empty: needs the folder'),
        ({'teacher': '/nowhere'}, 'consistency.teacher: /nowhere/policy.json: no such file'),
        ({'process': {'steps': 3}}, 'consistency.process: steps: no such key'),
        ({'process': {}, 'num_solver_steps': 0}, 'num_solver_steps = 0: needs at least 1'),
        ({'process': {}, 'num_solver_steps': 101}, 'num_solver_steps = 101: .* trained with 100'),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        load_teacher(tiny_policy.changed(method={'name': 'consistency'} | settings))


def test_a_teacher_that_does_not_denoise_is_refused(tmp_path):
    teacher = tiny_policy.checkpoint(tmp_path, method='regression')
    with pytest.raises(ConfigError, match='teacher: is a regression policy, needs a diffusion'):
        load_teacher(policy_of(teacher))


def test_more_points_than_the_teacher_has_timesteps_are_refused(teacher):
    method = Consistency(str(teacher), num_solver_steps=21)
    with pytest.raises(ConfigError, match=r'num_solver_steps = 21: .* trained with 20'):
        load_teacher(tiny_policy.changed(method=method))


def test_settings_are_values_whether_there_is_a_teacher_or_not():
    policy = tiny_policy.changed(method=Consistency('/nowhere'))
    assert policy.method == Consistency('/nowhere', process=None)
    with pytest.raises(ConfigError, match='consistency.process is missing'):
        PolicyNetwork(policy)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'dt': 0.2}, 'tasks of student and consistency.teacher differ: dt: 0.2 and 0.1'),
        ({'horizon': 32}, 'differ: horizon: 32 and 16'),
    ],
)
def test_a_student_unlike_its_teacher_is_refused(teacher, changes, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny_policy.student(policy_of(teacher, **changes))


def test_another_process_than_the_teachers_is_refused(teacher):
    method = Consistency(str(teacher), process=TEACHER)
    with pytest.raises(ConfigError, match='consistency.process = .* the teacher has'):
        tiny_policy.student(tiny_policy.changed(method=method))


def test_the_number_of_actions_followed_is_the_students_own(teacher):
    network, _ = tiny_policy.student(policy_of(teacher, n_action_steps=4))
    assert network.config.n_action_steps == 4
