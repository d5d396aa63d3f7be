# SPDX-License-Identifier: Apache-2.0
"""The reference page in docs/ is what the code says."""

from pathlib import Path

from dp_ros.tools import parameters

PAGE = Path(__file__).parents[1] / 'docs/reference.md'


def test_the_page_is_current(monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['parameters', '--topics'])
    assert parameters.main() == 0
    printed = capsys.readouterr().out
    assert PAGE.read_text() == printed, 'ros2 run dp_ros parameters --topics > docs/reference.md'
