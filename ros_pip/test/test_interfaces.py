# SPDX-License-Identifier: Apache-2.0
"""Interfaces built for Python: every one loads, and what is built works without a CMake file."""

from importlib import import_module
import json
import os
from pathlib import Path
import subprocess
import sys

from ament_index_python.packages import get_package_share_path
from ament_index_python.resources import get_resource
import pytest
from rclpy.serialization import deserialize_message, serialize_message

ROOT = Path(__file__).resolve().parents[2]
BUILDER = ROOT / 'ros_pip' / 'interfaces.py'
PACKAGES = ('control_msgs', 'controller_manager_msgs', 'dp_ros_msgs', 'franka_msgs', 'tf2_msgs')
KINDS = {'.msg': 'msg', '.srv': 'srv', '.action': 'action'}
WHEELS = pytest.mark.skipif(
    not (Path(sys.prefix) / 'share' / 'rosidl_generator_py').is_dir(),
    reason='with a full ROS 2, colcon builds the interfaces',
)
# An action and a message of one name, a nested sequence, and what actions hold unseen.
DEFINITIONS = {
    'package.xml': '<package format="3"><name>tiny_msgs</name></package>',
    'msg/Reach.msg': 'std_msgs/Header header\nfloat64[] positions\ngeometry_msgs/Point[] points\n',
    'srv/Ask.srv': 'string question\n---\nReach answer\n',
    'action/Reach.action': 'Reach goal\n---\nuint16 error_code\n---\nfloat32 done\n',
}
# Sends a message, asks a service and runs an action within one process.
PROGRAM = """
import json
import rclpy
from rclpy.action import ActionClient, ActionServer
from rclpy.executors import SingleThreadedExecutor
from geometry_msgs.msg import Point
from tiny_msgs.action import Reach as Move
from tiny_msgs.msg import Reach
from tiny_msgs.srv import Ask

rclpy.init()
node = rclpy.create_node('node')
executor = SingleThreadedExecutor()
executor.add_node(node)
heard = []
node.create_subscription(Reach, 'reach', heard.append, 1)
publisher = node.create_publisher(Reach, 'reach', 1)

def answer(request, response):
    response.answer = heard[0]
    response.answer.header.frame_id = request.question
    return response

def move(goal):
    goal.succeed()
    return Move.Result(error_code=len(goal.request.goal.points))

node.create_service(Ask, 'ask', answer)
ActionServer(node, Move, 'move', move)
sent = Reach(positions=[0.5, -1.0], points=[Point(x=1.0), Point(y=2.0)])
while not heard:
    publisher.publish(sent)
    executor.spin_once(timeout_sec=0.1)
asked = node.create_client(Ask, 'ask').call_async(Ask.Request(question='where'))
executor.spin_until_future_complete(asked)
client = ActionClient(node, Move, 'move')
accepted = client.send_goal_async(Move.Goal(goal=sent))
executor.spin_until_future_complete(accepted)
result = accepted.result().get_result_async()
executor.spin_until_future_complete(result)
print(json.dumps({
    'positions': list(heard[0].positions),
    'frame': asked.result().answer.header.frame_id,
    'error_code': result.result().result.error_code,
}))
"""


def interfaces(package):
    """Yield (kind, name) of every interface of a package."""
    for line in get_resource('rosidl_interfaces', package)[0].split():
        path = Path(line)
        if path.suffix in KINDS:
            yield KINDS[path.suffix], path.stem


def load(package, kind, name):
    interface = getattr(import_module(f'{package}.{kind}'), name)
    interface.__class__.__import_type_support__()
    return interface


@pytest.mark.parametrize('package', PACKAGES)
def test_every_interface_loads_and_every_message_survives_the_wire(package):
    found = list(interfaces(package))
    assert found
    for kind, name in found:
        interface = load(package, kind, name)
        assert interface.__class__._TYPE_SUPPORT is not None
        if kind == 'msg':
            assert deserialize_message(serialize_message(interface()), interface) == interface()
        assert (get_package_share_path(package) / kind / f'{name}.{kind}').is_file()


@WHEELS
def test_the_definitions_that_are_built_are_those_of_the_packages():
    for package in PACKAGES:
        folder = ROOT / package if package == 'dp_ros_msgs' else ROOT / 'ros_pip/src' / package
        written = {(KINDS[p.suffix], p.stem) for p in folder.rglob('*') if p.suffix in KINDS}
        assert set(interfaces(package)) == written


@WHEELS
def test_a_package_built_anywhere_and_moved_sends_asks_and_acts(tmp_path, domain_id):
    for name, text in DEFINITIONS.items():
        path = tmp_path / 'source' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    built, moved = tmp_path / 'built', tmp_path / 'moved'
    run(BUILDER, '--out', built, tmp_path / 'source')
    built.rename(moved)
    environment = {
        'PYTHONPATH': f'{moved / "python"}:{os.environ["PYTHONPATH"]}',
        'AMENT_PREFIX_PATH': f'{moved}:{os.environ["AMENT_PREFIX_PATH"]}',
        'LD_LIBRARY_PATH': f'{moved / "lib"}:{os.environ["LD_LIBRARY_PATH"]}',
        'ROS_DOMAIN_ID': str(domain_id),
    }
    said = json.loads(run('-c', PROGRAM, **environment).stdout)
    assert said == {'positions': [0.5, -1.0], 'frame': 'where', 'error_code': 2}


@WHEELS
def test_a_definition_that_cannot_be_built_ends_the_build(tmp_path):
    (tmp_path / 'msg').mkdir()
    (tmp_path / 'msg' / 'Bad.msg').write_text('no_such_msgs/Thing thing\n')
    (tmp_path / 'package.xml').write_text(DEFINITIONS['package.xml'])
    with pytest.raises(AssertionError, match='no_such_msgs'):
        run(BUILDER, '--out', tmp_path / 'out', tmp_path)


def run(*words, **variables):
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done
