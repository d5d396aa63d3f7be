# SPDX-License-Identifier: Apache-2.0
"""The reference pages in docs/ are what the code says."""

from pathlib import Path

from dp_ros.tools import settings
from dp_ros.tools.parameters import main as parameters
import pytest

DOCS = Path(__file__).parents[1] / 'docs'


@pytest.mark.parametrize(
    ('tool', 'words', 'page'),
    [(parameters, ['parameters', '--topics'], 'reference'), (settings, ['settings'], 'settings')],
)
def test_the_page_is_current(monkeypatch, capsys, tool, words, page):
    monkeypatch.setattr('sys.argv', words)
    assert tool.main() == 0
    printed = capsys.readouterr().out
    assert (DOCS / f'{page}.md').read_text() == printed, (
        f'ros2 run dp_ros {" ".join(words)} > docs/{page}.md'
    )
