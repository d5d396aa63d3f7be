# SPDX-License-Identifier: Apache-2.0
"""The comparison of methods: what it takes, keeps, and writes."""

import json

from dp_ros.tools.compare import main as compare
from dp_ros.tools.compare.report import table, write_report
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import yaml

METHODS = {'diffusion': {}, 'regression': {'policy.method': 'regression'}}


def result(method, successes, sampler='auto', steps=10, **changes):
    return {
        'method': method,
        'seed': 0,
        'sampler': sampler,
        'num_inference_steps': steps,
        'episodes': 50,
        'successes': successes,
        'collisions': 50 - successes,
        'left_share': 0.5,
        'both_ways': 0.75,
        'judge_violations': 0,
        'duration_s': 3.0,
        'chunk_ms': 30.0,
    } | changes


@pytest.fixture
def config(tmp_path):
    file = tmp_path / 'compare.yaml'

    def write(**changes):
        values = {'base': 'base.yaml', 'methods': METHODS, 'seeds': [0], 'episodes': 1} | changes
        file.write_text(yaml.safe_dump(values))
        return file

    return write


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'epochs': 3}, 'epochs: no such key'),
        ({'seeds': []}, 'needs methods, seeds'),
        ({'episodes': 0}, 'at least 1 episode'),
        ({'curve': {'magic': {'ddim': [1]}}}, r"curve: \['magic'\] are not among"),
    ],
)
def test_what_cannot_be_compared_is_refused(config, changes, reason):
    with pytest.raises(ConfigError, match=reason):
        compare.read_comparison(config(**changes))


def test_the_curve_is_measured_with_the_first_seed(config):
    comparison = compare.read_comparison(
        config(seeds=[3, 4], curve={'diffusion': {'ddim': [1, 5]}})
    )
    names = [case.name for case in compare.cases(comparison)]
    assert names == [
        'diffusion 3 auto 10',
        'regression 3 auto 10',
        'diffusion 4 auto 10',
        'regression 4 auto 10',
        'diffusion 3 ddim 1',
        'diffusion 3 ddim 5',
    ]


def test_a_comparison_goes_on_where_it_was(config, tmp_path, monkeypatch, capsys):
    measured = []

    def measure(policy, case, episodes, console):
        measured.append(case.name)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return result(case.method, 40)

    out = tmp_path / 'out'
    for method in METHODS:
        tiny_policy.checkpoint(out / f'{method}-0', method=method)
    monkeypatch.setattr(compare, 'measure', measure)
    words = ['compare', '--data', 'none', '--config', str(config()), '--out', str(out)]
    monkeypatch.setattr('sys.argv', words)
    assert compare.main() == 130
    assert compare.main() == 0
    assert measured == ['diffusion 0 auto 10', 'regression 0 auto 10', 'regression 0 auto 10']
    assert '| regression | 80% [67, 89] | 80 | 20% |' in capsys.readouterr().out
    assert len(json.loads((out / 'results.json').read_text())) == 2


def test_the_seeds_can_be_others(config, tmp_path, monkeypatch, capsys):
    for seed in (3, 4):
        tiny_policy.checkpoint(tmp_path / f'diffusion-{seed}')
    monkeypatch.setattr(compare, 'measure', lambda policy, case, *_: result(case.method, 50))
    words = ['compare', '--config', str(config(methods={'diffusion': {}})), '--out', str(tmp_path)]
    for seeds, each in ((['3', '4'], '[96, 100] | 100, 100'), (['4'], '[95, 100] | 100')):
        monkeypatch.setattr('sys.argv', [*words, '--seeds', *seeds])
        assert compare.main() == 0
        assert f'| diffusion | 100% {each} |' in capsys.readouterr().out


def test_the_figures_of_a_page_are_replaced(config, tmp_path, monkeypatch, capsys):
    tiny_policy.checkpoint(tmp_path / 'diffusion-0')
    monkeypatch.setattr(compare, 'measure', lambda policy, case, *_: result(case.method, 50))
    page = tmp_path / 'docs' / 'page.md'
    page.parent.mkdir()
    page.write_text('before\n<!-- compare -->\nold\n<!-- /compare -->\nafter\n')
    file = config(methods={'diffusion': {}})
    words = ['compare', '--config', str(file), '--out', str(tmp_path), '--page', str(page)]
    monkeypatch.setattr('sys.argv', words)
    for _ in range(2):
        assert compare.main() == 0
        text = page.read_text()
        assert text.startswith('before\n<!-- compare -->\n\n| method | goal [95 %] |')
        assert '| diffusion | 100% [95, 100] | 100 |' in text
        assert text.endswith('(compare.png)\n<!-- /compare -->\nafter\n')
    assert 'old' not in text and text.count('| diffusion |') == 1
    assert (page.parent / 'compare.png').stat().st_size > 5000


@pytest.mark.parametrize(
    'text', ['no marks', '<!-- compare -->\n', '<!-- /compare -->\n<!-- compare -->\n']
)
def test_a_page_without_its_marks_is_refused_before_anything_is_trained(
    config, tmp_path, monkeypatch, capsys, text
):
    page = tmp_path / 'page.md'
    page.write_text(text)
    words = ['compare', '--data', 'none', '--config', str(config()), '--out', str(tmp_path / 'o')]
    monkeypatch.setattr('sys.argv', [*words, '--page', str(page)])
    assert compare.main() == 1
    said = ' '.join(capsys.readouterr().out.split())
    assert 'needs the lines <!-- compare --> and <!-- /compare --> once, in this order' in said
    assert not (tmp_path / 'o').exists()
    monkeypatch.setattr('sys.argv', [*words, '--page', str(tmp_path / 'none.md')])
    assert compare.main() == 1
    assert 'none.md: cannot be read' in ' '.join(capsys.readouterr().out.split())


def test_a_training_that_fails_ends_it(config, tmp_path, monkeypatch, capfd):
    words = ['compare', '--data', 'none', '--config', str(config()), '--out', str(tmp_path)]
    monkeypatch.setattr('sys.argv', words)
    assert compare.main() == 1
    assert 'diffusion-0: training ended with exit code 1' in capfd.readouterr().out


def test_a_policy_that_is_trained_already_can_be_named(config, tmp_path, monkeypatch, capsys):
    trained = tiny_policy.checkpoint(tmp_path / 'trained')
    file = config(methods={'ours': str(trained)})
    monkeypatch.setattr(compare, 'measure', lambda policy, case, *_: result(case.method, 50))
    words = ['compare', '--config', str(file), '--out', str(tmp_path / 'out')]
    monkeypatch.setattr('sys.argv', words)
    assert compare.main() == 0
    assert '| ours | 100% ' in capsys.readouterr().out


def test_without_data_nothing_is_trained(config, tmp_path, monkeypatch, capsys):
    words = ['compare', '--config', str(config()), '--out', str(tmp_path / 'out')]
    monkeypatch.setattr('sys.argv', words)
    assert compare.main() == 1
    assert 'diffusion-0 is not trained yet: needs --data' in capsys.readouterr().out


def test_a_policy_is_measured_in_the_simulation(tmp_path):
    policy = compare.load_policy(tiny_policy.checkpoint(tmp_path, name='dash'))
    found = compare.measure(policy, compare.Case('diffusion', 0, 'ddim', 2), 1, compare.Console())
    assert (found['episodes'], found['successes'], found['judge_violations']) == (1, 0, 0)
    assert found['chunk_ms'] > 0
    with pytest.raises(ConfigError, match='num_inference_steps = 99'):
        compare.measure(policy, compare.Case('diffusion', 0, 'ddim', 99), 1, compare.Console())


def test_the_table_has_every_seed_and_an_interval_for_the_method():
    runs = [result('diffusion', 50), result('diffusion', 27, left_share=0.3)]
    head, _, row = table({'diffusion': runs}).splitlines()
    assert head.startswith('| method | goal [95 %] | seeds | collided |')
    assert row == '| diffusion | 77% [48, 100] | 54, 100 | 23% | 40% | 75% | 10 | 30 ms |'


def test_the_rows_of_three_seeds_fit_80_columns():
    runs = [result('flow_matching', 50, chunk_ms=8.0)] * 3
    assert max(map(len, table({'flow_matching': runs}).splitlines())) <= 80


def test_a_method_that_differs_from_seed_to_seed_is_less_certain():
    low, high = (
        table({'m': [result('m', each) for each in successes]}).splitlines()[2].split('|')[2]
        for successes in ((10, 25, 40), (25, 25, 25))
    )
    assert (low.strip(), high.strip()) == ('50% [22, 78]', '50% [42, 58]')


def test_the_pictures_are_drawn(tmp_path):
    write_report([result('diffusion', 50)], tmp_path)
    assert not (tmp_path / 'steps.png').exists()
    write_report([result('diffusion', 50), result('diffusion', 9, 'ddim', 1)], tmp_path)
    assert (tmp_path / 'methods.png').stat().st_size > 5000
    assert (tmp_path / 'steps.png').stat().st_size > 5000
