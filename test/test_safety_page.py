# SPDX-License-Identifier: Apache-2.0
"""Every test that the safety page names exists, and every row of its tables has one."""

from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINES = (ROOT / 'docs' / 'safety.md').read_text().splitlines()
NAMED = sorted({name for line in LINES for name in re.findall(r'`(test_\w+\.py::\w+)`', line)})


def rows():
    """Yield the rows of the tables whose last column is for tests."""
    within = False
    for line in LINES:
        within = line.endswith('| test |') or (within and line.startswith('|'))
        if within and not line.endswith('| test |') and not line.startswith('|---'):
            yield line


@pytest.mark.parametrize('name', NAMED)
def test_a_test_that_the_page_names_exists(name):
    file, _, function = name.partition('::')
    (path,) = [*ROOT.glob(f'test/{file}'), *ROOT.glob(f'dp_ros/test/*/{file}')]
    assert re.search(rf'^def {function}\(', path.read_text(), re.MULTILINE)


def test_every_stop_every_fault_and_every_wrong_setting_has_a_test():
    assert len(list(rows())) > 25
    assert [row for row in rows() if '.py::test_' not in row.split('|')[-2]] == []
