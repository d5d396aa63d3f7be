# SPDX-License-Identifier: Apache-2.0
"""The benchmark measures everything it names, in turns."""

import json

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.network import PolicyNetwork
from dp_ros.sim.kinematics import JOINT_NAMES
from dp_ros.tools import bench
import pytest
import torch

SMALL = PolicyConfig(
    JOINT_NAMES, {'front': (32, 32)}, denoiser=Unet(down_dims=(8, 16), timestep_dim=8)
)


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    n_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(n_threads)


def test_runs_take_turns_and_the_first_round_does_not_count():
    order = []
    runs = {name: lambda name=name: order.append(name) for name in 'ab'}
    assert list(bench.medians(runs, 2)) == ['a', 'b']
    assert order == ['a', 'b'] * 3


def test_figures_are_printed_and_stored(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, 'untrained', lambda: PolicyNetwork(SMALL))
    monkeypatch.setattr('sys.argv', ['bench', '--rounds', '1', '--json', str(tmp_path / 'out')])
    assert bench.main() == 0
    figures = json.loads((tmp_path / 'out').read_text())
    printed = capsys.readouterr().out
    assert figures[0]['name'] == 'chunk, torch, 1 thread'
    assert figures[0]['ratio'] == 1.0
    assert {'observation window', 'splice of a chunk', 'simulation of dt'} <= {
        figure['name'] for figure in figures
    }
    assert all(figure['milliseconds'] > 0 for figure in figures)
    assert 'splice of a chunk' in printed


def test_a_missing_checkpoint_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr('sys.argv', ['bench', '--policy', str(tmp_path)])
    assert bench.main() == 1
    assert 'no such file' in ' '.join(capsys.readouterr().out.split())


def test_rounds_have_to_be_some(monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['bench', '--rounds', '0'])
    with pytest.raises(SystemExit):
        bench.main()
    assert '--rounds 0: needs at least 1' in capsys.readouterr().err
