# SPDX-License-Identifier: Apache-2.0
"""Training that starts from a trained policy."""

from dp_ros.policy.checkpoint import save_checkpoint
from dp_ros.policy.denoisers.lstm import Lstm
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.prefix import committed
from dp_ros.training.start import start_from
from dp_ros.values import ConfigError
from helpers import tiny_policy
import pytest
import torch

TRANSFORMER = Transformer(n_layers=1, embed_dim=16, n_heads=2)


def saved(folder, **changes):
    save_checkpoint(folder, tiny_policy.network(seed=1, **changes), {})
    return str(folder)


@pytest.mark.parametrize('denoiser', [tiny_policy.CONFIG.denoiser, TRANSFORMER])
@pytest.mark.parametrize(('known', 'delay'), [(0, 0), (0, 4), (3, 4)])
def test_it_answers_as_the_trained_policy_does(tmp_path, denoiser, known, delay):
    folder = saved(tmp_path, denoiser=denoiser, max_delay=known)
    trained = tiny_policy.network(seed=1, denoiser=denoiser, max_delay=known)
    started = tiny_policy.network(seed=2, denoiser=denoiser, max_delay=delay)
    started.actions.fit(torch.randn(9, 7))
    start_from(folder, started)
    asked = torch.randn(2, 16, 7), torch.zeros(2), torch.randn(2, trained.shapes.cond_dim)
    expected, found = (
        committed(network.config, network.denoise, None)(*asked) for network in (trained, started)
    )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(started.actions.low, trained.actions.low)


@pytest.mark.parametrize(
    ('trained', 'mine', 'wrong'),
    [
        ({'max_delay': 3}, {}, 'max_delay = 0: train.start has 3, needs > 0'),
        ({}, {'method': FlowMatching()}, 'method = .*: train.start has'),
        ({}, {'dt': 0.05}, 'tasks of the policy and of train.start differ: dt: 0.05 and 0.1'),
        (
            {'denoiser': Lstm(hidden_dim=8)},
            {'denoiser': Lstm(hidden_dim=8), 'max_delay': 3},
            'a denoiser lstm cannot grow',
        ),
    ],
)
def test_another_policy_is_refused(tmp_path, trained, mine, wrong):
    with pytest.raises(ConfigError, match=wrong):
        start_from(saved(tmp_path, **trained), tiny_policy.network(**mine))


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='train.start: .*no such file'):
        start_from(str(tmp_path), tiny_policy.network())
