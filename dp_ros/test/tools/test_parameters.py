# SPDX-License-Identifier: Apache-2.0
"""The reference shows every parameter of every node."""

from pathlib import Path

import dp_ros.nodes
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.tools.parameters import main as parameters
from dp_ros.tools.parameters.interfaces import node_interfaces
import pytest

TABLE = ParameterTable(
    'thinker',
    Parameter('rate', 2.0, 'How often to think [Hz].', low=0.1, high=10.0),
    Parameter('mood', 'calm', 'One mood | or another.', choices=('calm', 'wild')),
    Parameter('joint_names', [], 'Joints.', element=str, read_only=True),
    Parameter('trace', False, 'Print thoughts.'),
)


def test_a_row_says_all_about_a_parameter():
    assert parameters.section(TABLE).splitlines() == [
        '## `thinker`',
        '',
        '| parameter | type | default | allowed | while running | meaning |',
        '| --- | --- | --- | --- | --- | --- |',
        '| `rate` | double | `2.0` | 0.1 to 10 | live | How often to think [Hz]. |',
        "| `mood` | string | `\"calm\"` | one of 'calm', 'wild' | live "
        r'| One mood \| or another. |',
        '| `joint_names` | string_array | `[]` | any | fixed | Joints. |',
        '| `trace` | bool | `false` | any | live | Print thoughts. |',
    ]


def test_the_page_has_every_parameter_of_every_node():
    tables = list(parameters.node_tables())
    page = parameters.reference(tables, {})
    folder = Path(dp_ros.nodes.__path__[0])
    nodes = {file.parent.name for file in folder.glob('*/parameters.py')}
    assert {table.node for table in tables} == nodes and len(nodes) > 5
    for table in tables:
        assert all(f'| `{name}` |' in page for name in table)


def test_the_interfaces_come_before_the_parameters():
    lines = parameters.section(TABLE, [('takes', 'mood', 'std_msgs/msg/String', 'reliable')])
    assert lines.splitlines()[2:6] == [
        '|  | name | type | quality of service |',
        '| --- | --- | --- | --- |',
        '| takes | `mood` | std_msgs/msg/String | reliable |',
        '',
    ]


def test_a_node_tells_its_interfaces():
    table = next(t for t in parameters.node_tables() if t.node == 'observation_aggregator')
    found = {(i.role, i.name, i.kind, i.quality) for i in node_interfaces(table)}
    assert {
        ('publishes', 'observation', 'dp_ros_msgs/msg/Observation', 'reliable, depth 1'),
        ('takes', 'policy/contract', 'dp_ros_msgs/msg/Contract', 'reliable, depth 1, latched'),
        ('serves', '~/reset', 'std_srvs/srv/Trigger', ''),
    } <= found
    assert not any(i[2].startswith('rcl_interfaces') for i in found)


def test_one_node_can_be_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(parameters, 'node_tables', lambda: iter([TABLE, ParameterTable('other')]))
    monkeypatch.setattr('sys.argv', ['parameters', 'thinker'])
    assert parameters.main() == 0
    page = capsys.readouterr().out
    assert '## `thinker`' in page
    assert '## `other`' not in page


def test_an_unknown_node_is_named(monkeypatch, capsys):
    monkeypatch.setattr(parameters, 'node_tables', lambda: iter([TABLE]))
    monkeypatch.setattr('sys.argv', ['parameters', 'dreamer'])
    with pytest.raises(SystemExit):
        parameters.main()
    assert "no node 'dreamer'; there are thinker" in capsys.readouterr().err
