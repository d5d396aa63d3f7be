# SPDX-License-Identifier: Apache-2.0
"""The comparison of delays: what it runs, keeps, and writes."""

import json
from pathlib import Path

from dp_ros.tools import compare_delays
from dp_ros.tools.common.closed_loop import EpisodeOutcome
import pytest
import tiny_policy


def outcome(success):
    return EpisodeOutcome(
        success=success,
        collision=not success,
        side='left',
        final_distance=0.0,
        duration=2.0,
        judge_violations=0,
        side_flips=1,
        motion=None,
    )


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return run(*words), which runs the tool on two policies, one trained with prefixes."""
    monkeypatch.chdir(tmp_path)
    tiny_policy.checkpoint(Path('plain'))
    tiny_policy.checkpoint(Path('prefixed'), max_delay=2)

    def run(*words):
        policies = ['--policy', 'plain', 'prefixed', '--episodes', '4', '--out', 'out']
        monkeypatch.setattr('sys.argv', ['compare_delays', *policies, *words])
        return compare_delays.main()

    return run


@pytest.fixture
def measured(monkeypatch):
    """Cases that were measured; the second one is interrupted."""
    cases = []

    def measure(policy, case, console):
        cases.append(case)
        if len(cases) == 2:
            raise KeyboardInterrupt
        reached = 4 if case.delay < 0.2 else 1
        outcomes = [outcome(k < reached) for k in range(len(case.seeds))]
        return {'delay_s': case.delay} | compare_delays.figures(outcomes)

    monkeypatch.setattr(compare_delays, 'measure', measure)
    return cases


def test_each_way_to_follow_what_is_committed_meets_each_delay(command, measured, capsys):
    words = ('--delays', '0.2', '0')
    assert command(*words) == 130
    assert command(*words) == 0
    lines = ['plain, none', 'plain, guided']
    lines += ['prefixed, none', 'prefixed, guided', 'prefixed, trained']
    assert [case.line for case in measured[1::2]] == lines
    assert [case.delay for case in measured[:3]] == [0.2, 0.0, 0.0]
    shown = capsys.readouterr().out
    for line in lines:
        rows = f"""\
| {line} | 0 s | 100% [51, 100] | 0% | 1.00 | - |
| {line} | 0.2 s | 25% [5, 70] | 75% | 1.00 | - |
"""
        assert rows in shown
    assert len(json.loads(Path('out/results.json').read_text())) == 10
    assert Path('out/delays.png').stat().st_size > 10_000


def test_other_scenes_and_latencies_are_measured_anew(command, measured):
    measured += [None, None]
    for words in ([], [], ['--seed', '9'], ['--episodes', '3'], ['--latency', '0.1']):
        assert command('--delays', '0', *words) == 0
    assert len(measured) == 2 + 4 * 5


def test_table_and_picture_are_put_into_a_page(command, measured):
    page = Path('page.md')
    page.write_text('<!-- compare_delays -->\nold\n<!-- /compare_delays -->\n')
    measured += [None, None]
    assert command('--page', 'page.md', '--delays', '0') == 0
    assert 'old' not in page.read_text() and '](compare_delays.png)' in page.read_text()
    assert Path('compare_delays.png').is_file()


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (['--delays', '0', '-0.1'], 'delay -0.1 s: needs a finite time of at least 0'),
        (['--latency', 'nan'], 'delay nan s: needs a finite time'),
        (['--episodes', '0'], 'needs at least 1 of --episodes'),
    ],
)
def test_settings_without_a_sense_are_refused(command, words, reason, capsys):
    with pytest.raises(SystemExit, match='2'):
        command(*words)
    assert reason in capsys.readouterr().err


def test_a_folder_without_a_policy_is_named(command, capsys):
    assert command('--policy', 'nowhere') == 1
    assert 'compare_delays: nowhere' in capsys.readouterr().out
