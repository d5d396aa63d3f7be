# SPDX-License-Identifier: Apache-2.0
"""What decays, how the learning rate goes, several batches a step, bfloat16, and the curves."""

from dataclasses import replace
import struct

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from dp_ros.policy.encoders.vit import Vit
from dp_ros.training import optimizer
from dp_ros.training.config import RunConfig, TrainConfig
from dp_ros.training.metrics import MetricsLog, clear_metrics
from dp_ros.training.optimizer import (
    make_accelerator,
    make_optimizer,
    make_schedule,
    split_parameters,
)
from dp_ros.training.trainer import Trainer
from dp_ros.values import ConfigError
import pytest
from tensorboardX.proto.event_pb2 import Event
import tiny_policy
import torch
from torch import nn

SETTINGS = TrainConfig(
    steps=10, batch_size=4, warmup_steps=2, validation_share=0.25, learning_rate=1e-3
)


@pytest.fixture(autouse=True)
def forgotten():
    """Let each test have an accelerator of its own kind."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def names(module, parameters):
    known = {id(parameter): name for name, parameter in module.named_parameters()}
    return {known[id(parameter)] for parameter in parameters}


def test_only_matrices_decay():
    vit = Vit(crop_margin=0, patch_size=16, dim=8, depth=1, heads=1)
    network = tiny_policy.network(image_sizes={'front': (32, 48)}, encoder=vit)
    decayed, free = (names(network, group) for group in split_parameters(network))
    assert decayed | free == names(network, network.parameters())
    assert not decayed & free
    front = 'encoders.front.'
    for name in ('patch_embed.proj.weight', 'blocks.0.attn.qkv.weight', 'blocks.0.mlp.fc2.weight'):
        assert front + name in decayed
    for name in ('cls_token', 'pos_embed', 'norm.weight', 'blocks.0.ls1.gamma'):
        assert front + name in free
    assert all(name.endswith('weight') for name in decayed)


def test_embeddings_and_what_is_not_trained():
    module = nn.ModuleDict({'table': nn.Embedding(3, 4), 'lstm': nn.LSTM(4, 4)})
    module['fixed'] = nn.Linear(4, 4).requires_grad_(False)
    decayed, free = (names(module, group) for group in split_parameters(module))
    assert decayed == {'lstm.weight_ih_l0', 'lstm.weight_hh_l0'}
    assert free == {'table.weight', 'lstm.bias_ih_l0', 'lstm.bias_hh_l0'}


def test_decay_is_of_matrices_alone():
    module = nn.Linear(2, 2)
    nn.init.ones_(module.weight), nn.init.ones_(module.bias)
    made = make_optimizer(module, replace(SETTINGS, weight_decay=0.5, learning_rate=0.1))
    (0 * module(torch.ones(2))).sum().backward()
    made.step()
    torch.testing.assert_close(module.weight.data, torch.full((2, 2), 0.95))
    torch.testing.assert_close(module.bias.data, torch.ones(2))


@pytest.mark.parametrize(
    ('schedule', 'expected'),
    [('cosine', [0, 0.5, 1, 0.5, 0]), ('constant', [0, 0.5, 1, 1, 1])],
)
def test_the_learning_rate_warms_up_and_goes_on(schedule, expected):
    settings = replace(SETTINGS, lr_schedule=schedule)
    made = make_optimizer(nn.Linear(1, 1), settings)
    schedule, rates = make_schedule(made, settings), []
    for _ in range(11):
        rates.append(made.param_groups[0]['lr'] / settings.learning_rate)
        made.step()
        schedule.step()
    assert [rates[k] for k in (0, 1, 2, 6, 10)] == pytest.approx(expected)


def trainer(folder, accelerator=None, **changes):
    settings = replace(SETTINGS, **changes)
    accelerator = accelerator or make_accelerator(settings, 'cpu')
    policy = tiny_policy.changed(method='regression', image_sizes={})
    return Trainer(
        tiny_policy.dataset(config=policy), RunConfig(policy, settings), folder, accelerator
    )


def test_two_batches_of_a_step_are_one_of_twice_the_size(tmp_path):
    gradients = []
    for size, count in ((8, 1), (4, 2)):
        made = trainer(tmp_path, batch_size=size, gradient_accumulation_steps=count)
        made._train = made._train[:1]  # One window, so that every batch is the same.
        made._advance()
        gradients.append([p.grad.clone() for p in made._network.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


def test_every_batch_of_a_step_is_another(tmp_path, monkeypatch):
    made = trainer(tmp_path, gradient_accumulation_steps=3)
    seen = []
    monkeypatch.setattr(
        made, '_draw', lambda rng, draw=made._draw: seen.append(draw(rng)) or seen[-1]
    )
    made._advance()
    assert len({float(batch.state.sum()) for batch in seen}) == 3
    assert made._optimizer.optimizer.state[next(made._network.parameters())]['step'] == 1


def test_bfloat16_is_refused_where_there_is_none(monkeypatch):
    settings = replace(SETTINGS, mixed_precision='bf16')
    for device, has in (('cpu', True), (None, False)):
        monkeypatch.setattr(optimizer, 'has_bf16', lambda has=has: has)
        with pytest.raises(ConfigError, match="train.mixed_precision = 'bf16': needs a GPU"):
            make_accelerator(settings, device)


def test_bfloat16_is_for_the_networks_and_not_for_the_weights(tmp_path):
    losses = {}
    for precision in ('no', 'bf16'):
        AcceleratorState._reset_state(reset_partial_state=True)
        accelerator = Accelerator(cpu=True, mixed_precision=precision)
        made = trainer(tmp_path, accelerator, mixed_precision=precision)
        losses[precision] = made._advance()
        assert {p.dtype for p in made._network.parameters()} == {torch.float32}
    assert losses['bf16'] == pytest.approx(losses['no'], rel=0.02)
    assert losses['bf16'] != losses['no']


def curve(out, name):
    """Read a curve from TensorBoard's files, as TensorBoard shows it: purged where resumed."""
    points = {}
    for file in sorted((out / 'tensorboard').iterdir()):
        data = file.read_bytes()
        while data:  # Each record: length, its checksum, the event, its checksum.
            length = struct.unpack('<Q', data[:8])[0]
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            if event.HasField('session_log'):
                points = {step: value for step, value in points.items() if step < event.step}
            for value in event.summary.value:
                if value.tag == name:
                    points[event.step] = value.simple_value
    return points


def test_tensorboard_has_the_curves_of_the_metrics(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.write({'step': step, 'loss': 0.5 * step})
    log.close()
    assert curve(tmp_path, 'loss') == {1: 0.5, 2: 1.0, 3: 1.5}


def test_what_was_measured_after_the_saved_state_is_measured_again(tmp_path):
    log = MetricsLog(tmp_path)
    for step in (1, 2, 3):
        log.write({'step': step, 'loss': 0.5})
    log.close()
    log = MetricsLog(tmp_path)
    log.resume(1)
    log.write({'step': 2, 'loss': 2.0})
    log.close()
    assert curve(tmp_path, 'loss') == {1: 0.5, 2: 2.0}
    assert (tmp_path / 'metrics.jsonl').read_text().count('\n') == 2


def test_another_run_leaves_nothing(tmp_path):
    log = MetricsLog(tmp_path)
    log.write({'step': 1, 'loss': 0.5})
    log.close()
    clear_metrics(tmp_path)
    assert list(tmp_path.iterdir()) == []
