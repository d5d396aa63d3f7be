# SPDX-License-Identifier: Apache-2.0
"""The benchmark measures everything it names, in turns, and says what the machine could do."""

from importlib.util import find_spec
import json

from dp_ros.tools.bench import cases as bench_cases
from dp_ros.tools.bench import machine as bench_machine
from dp_ros.tools.bench import main as bench
from dp_ros.tools.common.timing import Spread, medians, spreads
import pytest
import tiny_policy
import torch


@pytest.fixture(autouse=True)
def same_threads_afterwards():
    n_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(n_threads)


def run(monkeypatch, *args):
    monkeypatch.setattr('sys.argv', ['bench', *map(str, args)])
    return bench.main()


def test_runs_take_turns_and_the_first_round_does_not_count():
    order = []
    runs = {name: lambda name=name: order.append(name) for name in 'ab'}
    assert list(medians(runs, 2)) == ['a', 'b']
    assert order == ['a', 'b'] * 3


def test_figures_of_chunks_and_of_the_loop_are_printed_and_stored(monkeypatch, tmp_path, capsys):
    case, out = str(tiny_policy.checkpoint(tmp_path / 'tiny')), tmp_path / 'out'
    monkeypatch.setattr(bench, 'cost', lambda *case: bench_cases.Cost(2.0, len(case[1])))
    monkeypatch.setattr(bench_cases, 'THREADS', (2,))
    assert run(monkeypatch, '--cases', case, 'loop', '--rounds', 1, '--json', out) == 0
    figures = {each['name']: each for each in json.loads(out.read_text())}
    first = figures['torch, 2 threads']
    assert first['ratio'] == 1.0
    assert (first['ready'], first['memory']) == (2.0, len('torch'))
    assert {'read', 'compute'} <= set(first)
    if find_spec('openvino'):
        assert figures['openvino, 2 threads']['reference'] == 'torch with as many threads'
    assert {'observation window', 'splice of a chunk', 'simulation of dt'} <= set(figures)
    assert figures['planning of a chunk (CPU time)']['milliseconds'] < 50
    numbers = [value for each in figures.values() for value in each.values()]
    assert all(value > 0 for value in numbers if not isinstance(value, str))
    printed = capsys.readouterr().out
    assert 'splice of a chunk' in printed
    assert '…' not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_every_shipped_policy_has_a_row(monkeypatch, tmp_path, capsys):
    for name in ('one', 'two'):
        tiny_policy.checkpoint(tmp_path / 'models' / name)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / 'out'
    assert run(monkeypatch, '--cases', 'shipped', '--rounds', 3, '--json', out) == 0
    figures = json.loads(out.read_text())
    assert [each['name'] for each in figures] == ['one', 'two']
    assert all(each['milliseconds'] <= each['p95'] for each in figures)
    monkeypatch.chdir(tmp_path / 'models')
    assert run(monkeypatch, '--cases', 'shipped') == 1
    assert 'models: no policy in it' in ' '.join(capsys.readouterr().out.split())


def test_percentiles_are_those_of_the_clock_after_a_warm_up():
    now = iter((0, 9, 9, 10, 10, 13, 13, 15))
    assert spreads({'a': int}, 3, lambda: next(now))['a'] == Spread(2000.0, 2900.0)


def test_the_cost_of_a_policy_is_measured_in_a_process_of_its_own(tmp_path):
    measured = bench_cases.cost(str(tiny_policy.checkpoint(tmp_path)), 'torch')
    assert measured.ready > 0
    assert 0 < measured.memory < 100


def test_a_step_reads_the_weights_that_meet_the_sample_and_no_others():
    network = tiny_policy.network()
    film = {id(p) for n, p in network.denoiser.named_parameters() if '.film.' in n}
    told = film | {id(p) for p in network.denoiser.timestep.parameters()}
    left = [p for p in network.denoiser.parameters() if id(p) not in told]
    assert bench_machine.bytes_per_step(network) == 4 * sum(p.numel() for p in left)


def test_operations_are_those_of_the_encoder_once_and_of_the_denoiser_at_every_step(monkeypatch):
    network = tiny_policy.network()
    counts = []
    for steps in (1, 2, 3):
        monkeypatch.setattr(bench_cases, 'STEPS', steps)
        counts.append(bench_machine.operations(network))
    last = 2 * network.config.horizon * network.denoiser.out[-1].weight.numel()
    assert counts[1] - counts[0] == counts[2] - counts[1] > last
    assert counts[0] > counts[1] - counts[0]


@pytest.mark.parametrize('case', bench_cases.CASES)
def test_every_case_can_be_made(case, monkeypatch):
    monkeypatch.setattr(bench_cases, 'PolicyNetwork', lambda config: config)
    assert bench_cases.make_network(case).denoiser is bench_cases.CASES[case]


def test_a_missing_checkpoint_is_named(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, '--cases', tmp_path) == 1
    assert 'no such file' in ' '.join(capsys.readouterr().out.split())


def test_rounds_have_to_be_some(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, '--rounds', 0)
    assert '--rounds 0: needs at least 1' in capsys.readouterr().err
