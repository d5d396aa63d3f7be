# SPDX-License-Identifier: Apache-2.0
"""The configuration file names every parameter of every node, and nothing else."""

from importlib import import_module
from pathlib import Path

from dp_ros.task.task import task_to_dict
from dp_ros.task.task_file import read_task
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


def test_the_file_speaks_of_no_other_node():
    assert sorted(yaml.safe_load(CONFIG.read_text())) == [f'/**/{node}' for node in NODES]
