# SPDX-License-Identifier: Apache-2.0
"""The packages say what they need, and no more, and are what they say."""

import ast
from importlib import import_module
from pathlib import Path
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from dp_ros.nodes import entry as nodes
from dp_ros.tools import entry as tools
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('dp_ros', 'dp_ros_msgs', 'dp_ros_bringup')
# What an import is called in rosdep, where not as the package.
ROSDEP = {
    'cv2': 'python3-opencv',
    'matplotlib': 'python3-matplotlib',
    'mujoco': 'python3-mujoco-pip',
    'numpy': 'python3-numpy',
    'psutil': 'python3-psutil',
    'rich': 'python3-rich',
    'rosbags': 'python3-rosbags-pip',
    'tf2_ros': 'tf2_ros_py',
    'torch': 'python3-pytorch-pip',
    'yaml': 'python3-yaml',
}
# What rosdep does not know: the name on PyPI.
PYPI = {
    'accelerate': 'accelerate',
    'av': 'av',
    'backports': 'backports.zstd',
    'diffusers': 'diffusers',
    'franka_sim': 'franka-sim',
    'gym_pusht': 'gym-pusht',
    'lz4': 'lz4',
    'openvino': 'openvino',
    'ruckig': 'ruckig',
    'safetensors': 'safetensors',
    'tensorboardX': 'tensorboardX',
    'trimesh': 'trimesh',
    'viser': 'viser',
    'websockets': 'websockets',
}
OPTIONAL = {'gym-pusht', 'openvino', 'trimesh', 'viser', 'websockets'}
READERS = {'pycollada'}  # Of meshes, for trimesh.
# In franka_ros2, which rosdep does not know.
WITH_THE_ARM = {'franka_example_controllers', 'franka_robot_state_broadcaster'}
ASSETS = {'franky-sim'}  # Read as files, never imported.


def manifest(package):
    return ElementTree.parse(ROOT / package / 'package.xml').getroot()


def texts(package, *tags):
    return {element.text for tag in tags for element in manifest(package).findall(tag)}


def imports(folder):
    """Return the top-level packages that the code of a folder imports, at any depth."""
    found = set()
    for path in folder.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split('.')[0])
    return found - set(sys.stdlib_module_names)


def keyword_of_setup(name):
    """Return what setup.py gives to setup() under a name."""
    program = (
        'import json, runpy, setuptools\n'
        f'setuptools.setup = lambda **given: print(json.dumps(given[{name!r}]))\n'
        "runpy.run_path('setup.py')"
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=ROOT / 'dp_ros',
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return yaml.safe_load(done.stdout)


def test_dp_ros_depends_on_what_it_imports():
    imported = imports(ROOT / 'dp_ros' / 'dp_ros') - {'dp_ros'}
    expected = {ROSDEP.get(name, name) for name in imported - PYPI.keys()}
    assert texts('dp_ros', 'exec_depend', 'depend') == expected


def test_dp_ros_requires_from_pypi_what_rosdep_does_not_know():
    imported = {PYPI[name] for name in imports(ROOT / 'dp_ros' / 'dp_ros') & PYPI.keys()}
    required = set(keyword_of_setup('install_requires'))
    assert required == imported - OPTIONAL | ASSETS | {'setuptools'}
    extras = keyword_of_setup('extras_require')
    assert {name for names in extras.values() for name in names} == (
        OPTIONAL | READERS | {'pytest'}
    )


def test_dp_ros_bringup_depends_on_what_its_launch_files_import_and_start():
    folder = ROOT / 'dp_ros_bringup' / 'launch'
    started = {
        keyword.value.value
        for path in folder.glob('*.py')
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == 'package' and isinstance(keyword.value, ast.Constant)
    }
    config = yaml.safe_load((folder.parent / 'config' / 'franka_controllers.yaml').read_text())
    manager = config['/**/controller_manager']['ros__parameters'].values()
    plugins = {value['type'].split('/')[0] for value in manager if 'type' in str(value)}
    imported = {ROSDEP.get(name, name) for name in imports(folder)}
    needed = imported | started | plugins - WITH_THE_ARM | {'ros2launch'}
    assert texts('dp_ros_bringup', 'exec_depend', 'depend') == needed


def test_dp_ros_msgs_depends_on_the_messages_that_its_messages_hold():
    folder = ROOT / 'dp_ros_msgs'
    lines = [
        line.split('#')[0]
        for kind in ('msg', 'srv', 'action')
        for path in (folder / kind).glob(f'*.{kind}')
        for line in path.read_text().splitlines()
    ]
    held = {line.split('/')[0] for line in lines if '/' in line.split('=')[0]}
    # Actions hold what action_msgs defines without saying so.
    assert texts('dp_ros_msgs', 'depend') == held - {'dp_ros_msgs'} | {'action_msgs'}
    assert texts('dp_ros_msgs', 'exec_depend') == {'rosidl_default_runtime'}


@pytest.mark.parametrize('package', PACKAGES)
def test_a_manifest_is_of_format_3_and_says_name_and_licence(package):
    root = manifest(package)
    assert root.get('format') == '3'
    assert (root.findtext('name'), root.findtext('license')) == (package, 'Apache-2.0')
    dependencies = [element.text for element in root if element.tag.endswith('_depend')]
    assert len(set(dependencies)) == len(dependencies)


def test_the_version_is_the_same_everywhere():
    manifests = {manifest(package).findtext('version') for package in PACKAGES}
    assert manifests == {keyword_of_setup('version')}
    assert f'## {manifests.pop()}' in (ROOT / 'CHANGELOG.md').read_text()


def test_the_packages_know_nothing_of_how_ros_came_here():
    for package in PACKAGES:
        for path in (ROOT / package).rglob('*'):
            if path.is_file() and '__pycache__' not in path.parts:
                assert b'ros_pip' not in path.read_bytes(), path


def test_every_command_exists():
    commands = keyword_of_setup('entry_points')['console_scripts']
    assert len(commands) > 6
    for command in commands:
        name, _, target = command.partition(' = ')
        assert target in ('dp_ros.nodes.entry:main', 'dp_ros.tools.entry:main')
        find = nodes.module_of if target.startswith('dp_ros.nodes') else tools.module_of
        assert callable(import_module(find(name)).main)
    folders = {path.parent.name for path in (ROOT / 'dp_ros/dp_ros/nodes').glob('*/node.py')}
    assert folders <= {command.split(' ')[0] for command in commands}
