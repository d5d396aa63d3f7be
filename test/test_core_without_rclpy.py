# SPDX-License-Identifier: Apache-2.0
"""What decides works without ROS: the core imports with rclpy and all messages blocked."""

import ast
import json
from pathlib import Path
import subprocess
import sys

import dp_ros

PACKAGE = Path(dp_ros.__file__).parent
CORE = ('robot', 'task', 'data', 'policy', 'training', 'control', 'sim')

# Imports every module named on the command line and prints {module: what stopped it}.
IMPORTER = """
import importlib, json, re, sys

ROS = re.compile(r'(rclpy|rosidl_\\w+|ament_\\w+|launch|launch_ros|message_filters|tf2_ros'
                 r'|cv_bridge|\\w+_msgs|std_srvs|\\w+_interfaces)(\\.|$)')

class Block:
    def find_spec(self, name, path=None, target=None):
        if ROS.match(name):
            raise ImportError(f'{name} is blocked')

sys.meta_path.insert(0, Block())
failures = {}
for module in sys.argv[1:]:
    try:
        importlib.import_module(module)
    except Exception as error:
        failures[module] = repr(error)
print(json.dumps(failures))
"""


def modules(folder):
    for path in sorted(folder.rglob('*.py')):
        parts = path.relative_to(PACKAGE.parent).with_suffix('').parts
        yield '.'.join(parts).removesuffix('.__init__'), path


def core_modules():
    names = ['dp_ros.outside', 'dp_ros.ros.parameters', 'dp_ros.values']
    for part in CORE:
        names += [name for name, _ in modules(PACKAGE / part)]
    return names + [name for name, _ in modules(PACKAGE / 'nodes') if name.endswith('.parameters')]


def import_blocked(names):
    command = [sys.executable, '-c', IMPORTER, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def imports_rclpy(path):
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or '')
    return any(name.split('.')[0] == 'rclpy' for name in names)


def test_the_core_imports_without_ros():
    assert len(core_modules()) > len(CORE)
    assert import_blocked(core_modules()) == {}


def test_the_block_blocks():
    failures = import_blocked(['rclpy', 'sensor_msgs.msg', 'dp_ros.ros.live_parameters'])
    assert len(failures) == 3


def test_at_most_a_quarter_of_the_modules_import_rclpy():
    found = dict(modules(PACKAGE))
    with_rclpy = [name for name, path in found.items() if imports_rclpy(path)]
    assert len(with_rclpy) <= len(found) / 4, with_rclpy
