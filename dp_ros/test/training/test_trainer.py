# SPDX-License-Identifier: Apache-2.0
"""Training: it learns, it repeats from its seed, it goes on after a kill as if there was none."""

from dataclasses import replace
import json
import os
from pathlib import Path
import subprocess
import sys

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.policy.checkpoint import load_description, load_network
from dp_ros.training.config import RunConfig, TrainConfig
from dp_ros.training.record import clear_state, saved_state
from dp_ros.training.trainer import Trainer, TrainingError, train
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import torch

SETTINGS = TrainConfig(
    steps=6,
    batch_size=4,
    warmup_steps=2,
    validation_share=0.25,
    validation_every=3,
    checkpoint_every=2,
    num_inference_steps=2,
)
RUN = RunConfig(tiny_policy.CONFIG, SETTINGS)


class KilledError(Exception):
    pass


def kill_at(step):
    def report(current, loss):
        if current == step:
            raise KilledError

    return report


def nothing(step, loss):
    pass


def run(out, config=RUN, report=nothing, data=None, resume=False):
    data = data or tiny_policy.dataset()
    return train(data, config, out, report, resume=resume, device='cpu')


def weights(network):
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def metrics(out):
    lines = [json.loads(line) for line in (out / 'metrics.jsonl').read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != 'elapsed_s'} for line in lines]


@pytest.mark.parametrize('method', ['diffusion', 'regression'])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, method):
    config = replace(RUN, policy=tiny_policy.changed(method=method))
    other = replace(config, train=replace(SETTINGS, seed=1))
    a, b = (weights(run(tmp_path / name, config)) for name in ('a', 'b'))
    assert torch.equal(a, b)
    assert not torch.equal(a, weights(run(tmp_path / 'c', other)))


JITTER = replace(tiny_policy.CONFIG.encoder, color_jitter=(0.2, 0.2, 0.2))
MANY = RunConfig(
    tiny_policy.changed(encoder=JITTER),
    replace(SETTINGS, gradient_accumulation_steps=2, lr_schedule='constant'),
)


@pytest.mark.parametrize(('step', 'config'), [(3, RUN), (5, RUN), (3, MANY)])
def test_a_killed_run_goes_on_as_if_there_was_no_kill(tmp_path, step, config):
    whole = weights(run(tmp_path / 'whole', config))
    with pytest.raises(KilledError):
        run(tmp_path / 'killed', config, kill_at(step))
    assert torch.equal(weights(run(tmp_path / 'killed', config, resume=True)), whole)
    assert metrics(tmp_path / 'killed') == metrics(tmp_path / 'whole')


def test_a_kill_while_the_state_is_replaced_loses_nothing(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, report=kill_at(5))
    (tmp_path / 'state').rename(tmp_path / 'state.part')
    assert saved_state(tmp_path).name == 'state.part'
    steps = []
    run(tmp_path, report=lambda step, loss: steps.append(step), resume=True)
    assert steps == [5, 6]


def test_a_kill_before_the_new_state_is_whole_leaves_the_old_one(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, report=kill_at(5))
    (tmp_path / 'state.part').mkdir()
    assert saved_state(tmp_path).name == 'state'


def test_a_started_run_is_not_overwritten(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, report=kill_at(3))
    with pytest.raises(ConfigError, match='holds a started run; use --resume'):
        run(tmp_path)


def test_a_finished_folder_can_be_trained_into_again(tmp_path):
    run(tmp_path)
    before = metrics(tmp_path)
    clear_state(tmp_path)
    run(tmp_path)
    assert metrics(tmp_path) == before


def test_there_must_be_a_state_to_resume(tmp_path):
    with pytest.raises(ConfigError, match='no state to resume from'):
        run(tmp_path, resume=True)


@pytest.mark.parametrize(
    ('config', 'data', 'reason'),
    [
        (replace(RUN, train=replace(SETTINGS, batch_size=5)), None, 'was started with train'),
        (RUN, tiny_policy.dataset(seed=1), 'was started with data random-0: random-1'),
        (
            replace(RUN, policy=tiny_policy.changed(method='regression')),
            None,
            'was started with policy',
        ),
        (
            replace(RUN, policy=tiny_policy.changed(joint_latency=0.05)),
            None,
            'was started with task',
        ),
    ],
)
def test_a_run_is_not_resumed_with_other_settings_or_data(tmp_path, config, data, reason):
    with pytest.raises(ConfigError):
        run(tmp_path, config, data=data, resume=True)
    with pytest.raises(KilledError):
        run(tmp_path, report=kill_at(3))
    with pytest.raises(ConfigError, match=reason):
        run(tmp_path, config, data=data, resume=True)


def test_validation_is_logged_at_its_interval(tmp_path):
    run(tmp_path)
    lines = metrics(tmp_path)
    assert [line['step'] for line in lines] == [3, 6]
    assert all(line['validation_loss'] > 0 and line['action_error'] > 0 for line in lines)


def test_policies_on_the_way_are_kept_and_another_runs_are_not(tmp_path):
    (tmp_path / 'steps' / '0000099').mkdir(parents=True)
    final = run(tmp_path, replace(RUN, train=replace(SETTINGS, keep_every=2)))
    kept = sorted(folder.name for folder in (tmp_path / 'steps').iterdir())
    assert kept == ['0000002', '0000004', '0000006']
    assert load_description(tmp_path / 'steps' / kept[0])['training']['step'] == 2
    first, last = (load_network(tmp_path / 'steps' / kept[index]) for index in (0, -1))
    assert torch.equal(weights(last), weights(final))
    assert not torch.equal(weights(first), weights(final))


def test_one_episode_is_not_enough(tmp_path):
    with pytest.raises(DatasetError, match='needs at least 2'):
        run(tmp_path, data=tiny_policy.dataset(n_episodes=1))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'horizon': 8, 'n_action_steps': 4}, r'actions of a window: \(16, 7\) .* needs \(8, 7\)'),
        ({'state_names': ('a', 'b')}, r'state of a window: \(2, 7\) in the data: needs \(2, 2\)'),
        ({'image_sizes': {'front': (40, 40)}}, r"images of 'front' .* needs \(3, 40, 40\)"),
        ({'image_sizes': {'wrist': (32, 40)}}, r"images of 'wrist' of a window: None"),
    ],
)
def test_data_of_other_shapes_than_the_policys_are_refused(tmp_path, change, reason):
    with pytest.raises(DatasetError, match=reason):
        run(tmp_path, replace(RUN, policy=tiny_policy.changed(**change)))


def test_a_constant_dimension_can_be_learned(tmp_path):
    data = tiny_policy.dataset()
    data.state[..., 2] = data.actions[..., 5] = 0.3
    network = run(tmp_path, data=data)
    assert torch.isfinite(weights(network)).all()
    assert float(network.actions.inverse(torch.zeros(7))[5]) == pytest.approx(0.3)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = replace(RUN, train=replace(SETTINGS, learning_rate=1e30, warmup_steps=0))
    with pytest.raises(TrainingError, match='at step .: lower train.learning_rate'):
        run(tmp_path, config)


WORKER = """
import os
from pathlib import Path
import sys
import warnings

warnings.simplefilter('ignore')
sys.path[:0] = sys.argv[1].split(os.pathsep)
from accelerate import PartialState
import test_trainer
import tiny_policy

network = test_trainer.run(Path(sys.argv[2]))
total = test_trainer.weights(network).double().sum().item()
file = Path(sys.argv[2]) / f'{PartialState().process_index}.txt'
file.write_text(f'{PartialState().num_processes} {total!r}')
"""


def test_two_processes_train_one_policy(tmp_path):
    script, out = tmp_path / 'worker.py', tmp_path / 'out'
    script.write_text(WORKER)
    launch = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node', '2']
    environment = os.environ | {'OMP_NUM_THREADS': '1'}
    here = Path(__file__).parent
    folders = f'{here}{os.pathsep}{here.parent / "helpers"}'
    command = [*launch, '--standalone', str(script), folders, str(out)]
    subprocess.run(command, env=environment, timeout=150, check=True)
    first, second = ((out / f'{rank}.txt').read_text() for rank in (0, 1))
    assert first == second
    assert first.startswith('2 ')
    assert [line['step'] for line in metrics(out)] == [3, 6]


@pytest.fixture
def trainer(tmp_path):
    return Trainer(tiny_policy.dataset(), RUN, tmp_path, Accelerator(cpu=True))


def test_the_average_follows_the_weights_slowly(trainer):
    start = [p.detach().clone() for p in trainer._network.parameters()]
    for _ in range(3):
        trainer._advance()
    moved = sum((p - s).norm() for p, s in zip(trainer._network.parameters(), start, strict=True))
    shadow = trainer._ema.shadow_params
    lag = sum((p - s).norm() for p, s in zip(trainer._network.parameters(), shadow, strict=True))
    assert 0 < lag < moved


def test_the_average_with_its_warm_up_is_its_formula(trainer):
    """decay = 1 - (1 + step)^-power; Diffusion Policy's EMA counts one step less."""
    expected = None
    for step in range(4):
        trainer._advance()
        now = next(trainer._network.parameters()).detach().clone()
        decay = 0.0 if step == 0 else 1 - (1 + step) ** -SETTINGS.ema_power
        expected = now if expected is None else decay * expected + (1 - decay) * now
    torch.testing.assert_close(trainer._ema.shadow_params[0], expected, rtol=1e-4, atol=1e-6)


def test_validation_leaves_the_weights_as_they_are(trainer):
    trainer._advance()
    before = weights(trainer._network).clone()
    assert trainer.validate() == trainer.validate()
    assert torch.equal(weights(trainer._network), before)


def dropping(tmp_path, share):
    """Make a trainer of a transformer with dropout; its weights do not depend on the share."""
    denoiser = {'name': 'transformer', 'n_layers': 1, 'n_heads': 2, 'embed_dim': 16}
    denoiser |= {'dropout': share, 'attention_dropout': share}
    config = replace(RUN, policy=tiny_policy.changed(denoiser=denoiser))
    return Trainer(tiny_policy.dataset(), config, tmp_path, Accelerator(cpu=True))


def test_validation_does_not_drop_out(tmp_path):
    assert dropping(tmp_path, 0.3).validate() == dropping(tmp_path, 0.0).validate()


def test_after_validation_training_drops_out_as_before_it(tmp_path):
    made = dropping(tmp_path, 0.3)
    dropped = made._network.denoiser.eval()  # As the teacher of a distillation.
    before = [part.training for part in made._network.modules()]
    made.validate()
    assert [part.training for part in made._network.modules()] == before
    assert made._network.training
    assert not dropped.training


def test_the_trained_network_does_not_drop_out(tmp_path):
    assert not any(part.training for part in run(tmp_path).modules())


@pytest.fixture
def elsewhere(monkeypatch):
    """Make an accelerator for `meta`: a device of torch's that needs no hardware."""

    def make():
        AcceleratorState._reset_state(reset_partial_state=True)
        monkeypatch.setenv('ACCELERATE_TORCH_DEVICE', 'meta')
        return Accelerator()

    yield make
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.filterwarnings('ignore:.*a meta parameter.*which is a no-op')
def test_the_average_is_resumed_on_the_device_of_its_parameters(tmp_path, trainer, elsewhere):
    trainer._advance()
    trainer.save()
    resumed = Trainer(tiny_policy.dataset(), RUN, tmp_path, elsewhere())
    resumed.resume()
    for parameter, average in zip(
        resumed._network.parameters(), resumed._ema.shadow_params, strict=True
    ):
        assert (parameter.device.type, average.device.type) == ('meta', 'meta')


def test_training_learns_what_the_data_hold(tmp_path):
    """Actions that hold still at the joints' position are learned to a small error."""
    data = tiny_policy.dataset()
    still = data.state[:, -1:].expand(-1, 16, -1).contiguous()
    data = replace(data, actions=still)
    policy = tiny_policy.changed(method='regression')
    settings = replace(SETTINGS, steps=150, batch_size=16, learning_rate=3e-3, validation_every=75)
    run(tmp_path, RunConfig(policy, settings), data=data)
    first, last = metrics(tmp_path)
    assert last['loss'] < 0.7 * first['loss']
    assert last['action_error'] < 0.2  # the mean of the data would be 0.25 off
