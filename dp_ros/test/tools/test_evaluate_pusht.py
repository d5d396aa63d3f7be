# SPDX-License-Identifier: Apache-2.0
"""The command that measures a policy on Push-T: figures, video, and what it refuses."""

import json
import subprocess

import av
from dp_ros.data.formats.pusht import ACTIONS, CAMERA
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.sim.scenarios.pusht.table import IMAGE_SIZE
from dp_ros.tools.evaluate_pusht import main as evaluate_pusht
from dp_ros.tools.evaluate_pusht.main import film
from dp_ros.tools.evaluate_pusht.rollout import BatchPolicy, run
from dp_ros.tools.evaluate_pusht.summary import summarize, summarize_run
import numpy as np
import pytest
import tiny_policy

TASK = {
    'joints': ACTIONS,
    'state_names': ('agent_x', 'agent_y', 'block_x'),
    'image_sizes': {},
    'denoiser': Unet(down_dims=(16, 32), timestep_dim=16),
}


class Episode:
    """Is done after as many steps as it is told, with its seed in percent as its score."""

    def __init__(self, seed, length):
        self.seed, self.steps, self.length = seed, 0, length
        self.score = seed / 100
        self.pictures = [np.full((2, 2, 3), seed, np.uint8)] * length

    @property
    def done(self):
        return self.steps >= self.length

    def follow(self, targets):
        self.steps += len(targets)


@pytest.fixture
def command(monkeypatch, tmp_path):
    def call(*words):
        out = ['--json', str(tmp_path / 'out.json'), '--num-inference-steps', '2']
        monkeypatch.setattr('sys.argv', ['evaluate_pusht', *out, *words])
        return evaluate_pusht.main()

    return call


def test_only_the_episodes_that_run_are_asked_for():
    episodes, asked = [Episode(1, 4), Episode(2, 12)], []

    def chunks(running):
        asked.append([episode.seed for episode in running])
        return np.zeros((len(running), 4, 2))

    reports = []
    run(episodes, chunks, lambda score, done: reports.append((score, done)))
    assert asked == [[1, 2], [2], [2]]
    assert [done for _, done in reports] == [1, 1, 2]
    assert reports[-1][0] == pytest.approx(0.015)


def test_the_figures():
    summary = summarize([Episode(100, 3), Episode(50, 3), Episode(60, 3)])
    assert summary['mean_score'] == pytest.approx(0.7)
    assert summary['success_rate'] == pytest.approx(1 / 3)
    assert summary['bootstrap_95'][0] == pytest.approx(0.5)
    assert summary['bootstrap_95'][1] == pytest.approx(1.0)
    assert summary['episodes'][1] == {'seed': 50, 'score': 0.5, 'steps': 0}


def test_a_run_is_its_best_policy_and_the_mean_of_its_last_ten():
    scores = [100, 10, 20, 30, 40, 50, 60, 70, 80, 90, 40]
    summaries = [summarize([Episode(score, 1), Episode(score, 1)]) for score in scores]
    found = summarize_run(summaries)
    assert (found['best'], found['n_last']) == (1.0, 10)
    assert found['mean_of_last'] == pytest.approx(0.49)
    assert found['bootstrap_95_of_last'] == pytest.approx([0.49, 0.49])


def test_a_film_shows_episodes_side_by_side_until_the_last_ends():
    frames = list(film([Episode(1, 1), Episode(2, 3), Episode(3, 0)]))
    assert [frame.shape for frame in frames] == [(2, 4, 3)] * 3
    assert frames[2][0, :, 0].tolist() == [1, 1, 2, 2]


def test_it_writes_figures_a_video_and_the_card(command, tmp_path, monkeypatch):
    pytest.importorskip('gym_pusht')
    monkeypatch.setattr('dp_ros.sim.scenarios.pusht.table.MAX_STEPS', 12)
    policy = tiny_policy.checkpoint(tmp_path / 'policy', **TASK)
    video = tmp_path / 'out.mp4'
    assert (
        command('--policy', str(policy), '--episodes', '3', '--video', str(video), '--card') == 0
    )
    found = json.loads((tmp_path / 'out.json').read_text())
    assert [episode['seed'] for episode in found['episodes']] == [100_000, 100_001, 100_002]
    assert {episode['steps'] for episode in found['episodes']} == {12}
    assert (found['sampler'], found['num_inference_steps']) == ('ddim', 2)
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
    assert (len(frames), frames[0].width, frames[0].height) == (12, 3 * 256, 256)
    card = (policy / 'README.md').read_text()
    assert 'evaluate_pusht' in card and '--card' not in card and 'score    0.' in card


def test_ros2_run_finds_the_physics(tmp_path):
    pytest.importorskip('gym_pusht')
    policy = tiny_policy.checkpoint(tmp_path / 'policy', **TASK)
    words = ['--policy', str(policy), '--episodes', '1', '--num-inference-steps', '1']
    done = subprocess.run(
        ['ros2', 'run', 'dp_ros', 'evaluate_pusht', *words, '--json', str(tmp_path / 'out.json')],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'score    0.' in done.stdout


def test_several_policies_are_one_training_run(command, tmp_path, monkeypatch, capsys):
    pytest.importorskip('gym_pusht')
    monkeypatch.setattr('dp_ros.sim.scenarios.pusht.table.MAX_STEPS', 8)
    policies = [tiny_policy.checkpoint(tmp_path / str(n), seed=n, **TASK) for n in range(2)]
    picture = tmp_path / 'scores.png'
    words = ['--policy', *map(str, policies), '--episodes', '2', '--picture', str(picture)]
    assert command(*words) == 0
    assert 'best of 2 policies' in capsys.readouterr().out
    found = json.loads((tmp_path / 'out.json').read_text())
    assert [policy['policy'] for policy in found['policies']] == ['0', '1']
    assert picture.stat().st_size > 5000


def test_an_episode_is_the_same_alone_and_among_others(monkeypatch):
    pytest.importorskip('gym_pusht')
    monkeypatch.setattr('dp_ros.sim.scenarios.pusht.table.MAX_STEPS', 16)
    policy = BatchPolicy(tiny_policy.network(**TASK), 'ddim', 2)

    def final(seeds):
        episodes = [evaluate_pusht.PushTEpisode(seed, 2) for seed in seeds]
        run(episodes, policy, lambda score, done: None)
        return episodes[-1].states

    np.testing.assert_allclose(final([7, 8, 5]), final([5]), atol=1e-2)


def test_a_policy_that_sees_is_given_the_tables_images():
    pytest.importorskip('gym_pusht')
    network = tiny_policy.network(**TASK | {'image_sizes': {CAMERA: IMAGE_SIZE}})
    episodes = [evaluate_pusht.PushTEpisode(seed, 2, keep_images=True) for seed in (1, 2)]
    assert BatchPolicy(network, 'auto', 2)(episodes).shape == (2, 8, 2)


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (('--episodes', '0'), '--episodes 0: needs at least 1'),
        (('--seed', '-1'), '--seed -1: needs'),
        (('--video', 'nowhere/out.mp4'), 'nowhere/out.mp4: no such folder'),
    ],
)
def test_arguments_out_of_range_are_refused(command, capsys, words, reason):
    with pytest.raises(SystemExit):
        command('--policy', 'models/pusht', *words)
    assert reason in capsys.readouterr().err


def test_what_cannot_be_is_one_line_and_an_exit_code(command, tmp_path, capsys):
    assert command('--policy', str(tmp_path / 'none')) == 1
    assert 'no such file' in capsys.readouterr().out.replace('\n', ' ')
    reach = tiny_policy.checkpoint(tmp_path / 'reach')
    assert command('--policy', str(reach)) == 1
    assert 'Push-T has' in capsys.readouterr().out.replace('\n', ' ')
    policy = tiny_policy.checkpoint(tmp_path / 'policy', **TASK)
    assert command('--policy', str(policy), '--sampler', 'none') == 1
    said = capsys.readouterr().out
    assert "sampler = 'none'" in said and 'Traceback' not in said
