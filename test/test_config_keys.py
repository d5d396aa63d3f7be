# SPDX-License-Identifier: Apache-2.0
"""The configuration file names every parameter of every node, and nothing else."""

from importlib import import_module
from pathlib import Path

from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.task.task import task_to_dict
from dp_ros.task.task_file import read_task
from dp_ros.tools.parameters.config_file import config_file
from dp_ros.tools.parameters.main import node_tables
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'dp_ros_bringup' / 'config' / 'dp_ros.yaml'
OVERLAY = CONFIG.with_name('sim.yaml')
TASKS = sorted((CONFIG.parent / 'tasks').glob('*.yaml'))
NODES = sorted(
    path.parent.name for path in (ROOT / 'dp_ros' / 'dp_ros' / 'nodes').glob('*/parameters.py')
)


def flat(values, prefix=''):
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', value


@pytest.mark.parametrize('node', NODES)
def test_the_file_has_exactly_the_keys_and_defaults_of_the_table(node):
    table = import_module(f'dp_ros.nodes.{node}.parameters').PARAMETERS
    section = yaml.safe_load(CONFIG.read_text())[f'/**/{node}']['ros__parameters']
    assert dict(flat(section)) == table.defaults()


@pytest.mark.parametrize('file', TASKS, ids=lambda file: file.stem)
def test_a_task_file_names_every_value_of_a_task(file):
    written, task = yaml.safe_load(file.read_text()), read_task(file)
    assert task.name == file.stem
    assert written == task_to_dict(task)


def test_the_overlay_of_the_simulation_changes_parameters_to_values_they_take():
    for name, section in yaml.safe_load(OVERLAY.read_text()).items():
        table = import_module(f'dp_ros.nodes.{name.removeprefix("/**/")}.parameters').PARAMETERS
        for key, value in flat(section['ros__parameters']):
            assert table[key].check(value) is None
            assert value != table[key].default


def test_there_is_a_file_for_every_task():
    choices = import_module('dp_ros.sim.scenarios.registry').SCENARIOS
    assert {file.stem for file in TASKS} == set(choices)


def test_the_file_is_what_the_tables_print_with_meanings_units_and_limits():
    assert CONFIG.read_text() == config_file(node_tables()), (
        'ros2 run dp_ros parameters --yaml > dp_ros_bringup/config/dp_ros.yaml'
    )
    sections = yaml.safe_load(CONFIG.read_text())
    assert sorted(sections) == [f'/**/{node}' for node in NODES]


def test_groups_of_parameters_are_written_once_and_long_lines_are_broken():
    table = ParameterTable(
        'node',
        Parameter('rate', 2.5, 'Rate [Hz].', low=0.0, high=50.0),
        Parameter('a.b.low', 1, 'Lowest.', read_only=True),
        Parameter('a.b.high', 2, 'Highest.'),
        Parameter('a.c', 'x', 'Word ' + 40 * 'very ' + 'long.', choices=('x', 'y')),
        Parameter('d.b.low', [f'fr3_joint{k}' for k in range(9)], 'Names.'),
    )
    text = config_file([table])
    assert max(map(len, text.splitlines())) <= 99
    assert '    # Rate [Hz]. 0 to 50.\n    rate: 2.5\n' in text
    assert '        # Lowest. Fixed while the node runs.\n        low: 1\n' in text
    assert "One of 'x', 'y'.\n      c: x\n" in text
    assert text.count('b:') == 2
    values = yaml.safe_load(text)['/**/node']['ros__parameters']
    assert dict(flat(values)) == table.defaults()
