# SPDX-License-Identifier: Apache-2.0
"""The launch_ros stand-in: what a node is told, and that real nodes hear it."""

import os
from pathlib import Path
import re
import signal
import subprocess
import sys

from ament_index_python.packages import PackageNotFoundError
from launch import LaunchContext, LaunchDescription, LaunchService
from launch.actions import GroupAction, SetLaunchConfiguration, Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
import launch_ros.actions
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import Parameter, ParameterFile, ParameterValue
import launch_ros.substitutions
from launch_ros.substitutions import FindPackagePrefix, FindPackageShare
import pytest
import yaml

# Writes its words to a file of the name that it is told first.
PROGRAM = """#!/bin/sh
file=$1
shift
printf '%s\\n' "$@" > "$file"
"""
READER = """#!/bin/sh
for word; do :; done
cat "$word"
exec sleep 600
"""
REAL_NODE = """#!/usr/bin/env python3
import rclpy
rclpy.init()
node = rclpy.create_node('talker')
values = [node.declare_parameter(name, 0).value for name in ('a', 'b', 'c')]
words = node.declare_parameter('d', ['']).value
names = node.get_fully_qualified_name(), node.resolve_topic_name('chatter')
print(*names, values, words, flush=True)
rclpy.shutdown()
"""


# Its node prints the file that it is told, and stays.
LAUNCHING = """
from launch import LaunchDescription, LaunchService
from launch_ros.actions import Node

node = Node(package='demo', executable='reader', parameters=[{'a': 1}], output='screen')
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([node]))
service.run()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make a prefix with the package `demo` and its programs."""
    files = {'share/ament_index/resource_index/packages/demo': ''}
    files |= {'lib/demo/program': PROGRAM, 'lib/demo/talker': REAL_NODE}
    files |= {'lib/demo/reader': READER}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path), prepend=':')
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    return tmp_path


def run(*entities, code=0):
    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription(entities))
    assert service.run() == code


@pytest.fixture
def told(package):
    """Return told(before=[…], **node arguments): the words that the node's program gets."""
    heard = package / 'heard'

    def start(*before, arguments=(), **kwargs):
        words = [str(heard), *arguments]
        run(*before, Node(package='demo', executable='program', arguments=words, **kwargs))
        return heard.read_text().splitlines()

    return start


def test_a_node_is_told_its_name_namespace_and_remappings(told):
    words = told(
        SetLaunchConfiguration('side', 'left'),
        name='arm',
        namespace=LaunchConfiguration('side'),
        remappings=[('a', 'b'), ('~/c', ['/', LaunchConfiguration('side')])],
        arguments=['--own', LaunchConfiguration('side')],
        ros_arguments=['--log-level', 'debug'],
    )
    assert words == (
        ['--own', 'left', '--ros-args', '--log-level', 'debug', '--ros-args']
        + ['-r', '__node:=arm', '-r', '__ns:=/left', '-r', 'a:=b', '-r', '~/c:=/left']
    )


def test_a_node_without_a_word_is_told_nothing(told):
    assert told() == ['--ros-args']
    assert told(namespace='') == ['--ros-args', '-r', '__ns:=/']


def files_of(words):
    names = [words[k + 1] for k, word in enumerate(words) if word == '--params-file']
    # Upstream writes lists as tuples of Python.
    return [yaml.full_load(Path(name).read_text()) for name in names]


def parameters_of(words):
    return [file['/**']['ros__parameters'] for file in files_of(words)]


def test_parameters_keep_their_types(told):
    words = told(
        SetLaunchConfiguration('rate', '7'),
        SetLaunchConfiguration('flag', 'true'),
        parameters=[
            {
                'rate': LaunchConfiguration('rate'),
                'as_float': ParameterValue(LaunchConfiguration('rate'), value_type=float),
                'as_text': ParameterValue(LaunchConfiguration('rate'), value_type=str),
                'flag': LaunchConfiguration('flag'),
                'words': ['a', 'b'],
                'joined': ['a', LaunchConfiguration('rate')],
                'pair': [['a', LaunchConfiguration('rate')], ['b']],
                'digits': [['1'], [LaunchConfiguration('rate')]],
                'numbers': [1, 2.5],
                'sampler': {'name': 'ddim', LaunchConfiguration('flag'): 1},
            }
        ],
    )
    (values,) = parameters_of(words)
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    assert values == {
        'rate': 7,
        'as_float': 7.0,
        'as_text': '7',
        'flag': True,
        'words': ['a', 'b'],
        'joined': 'a7',
        'pair': ['a7', 'b'],
        'digits': [1, 7],
        'numbers': [1.0, 2.5],
        'sampler.name': 'ddim',
        'sampler.true': 1,
    }
    assert all(isinstance(value, float) for value in (values['as_float'], *values['numbers']))


def test_parameter_files_come_in_their_order_and_absent_ones_are_told(told, package, capsys):
    file = package / 'some.yaml'
    file.write_text('/**: {ros__parameters: {a: 1}}')
    words = told(
        parameters=[
            PathJoinSubstitution([str(package), 'some.yaml']),
            {'a': 2},
            ParameterFile(file),
            str(package / 'absent.yaml'),
        ]
    )
    assert parameters_of(words) == [{'a': 1}, {'a': 2}, {'a': 1}]
    assert f'Parameter file path is not a file: {package}/absent.yaml' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (ParameterValue(LaunchConfiguration('word'), value_type=int), 'invalid literal for int'),
        ([], 'Expected a non-empty sequence|to be one of'),
        ([1, 'a'], 'items of uniform type'),
        ([['1'], ['a']], 'items of uniform type'),
        (['[1, ', 'a]', LaunchConfiguration('empty')], 'uniform type|not allowed'),
        (['~', LaunchConfiguration('empty')], 'llowed'),
    ],
)
def test_a_value_of_another_type_ends_the_launch(package, capsys, value, message):
    configurations = [SetLaunchConfiguration('word', 'seven'), SetLaunchConfiguration('empty', '')]
    node = Node(package='demo', executable='program', parameters=[{'n': value}])
    run(*configurations, node, code=1)
    assert re.search(message, capsys.readouterr().out)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [({'name': 'two words'}, 'node name'), ({'namespace': '7'}, 'namespace')],
)
def test_a_name_that_ros_refuses_ends_the_launch(package, capsys, kwargs, message):
    run(Node(package='demo', executable='program', **kwargs), code=1)
    assert f'Invalid {message}' in capsys.readouterr().out


def test_a_namespace_that_ros_refuses_ends_the_launch(package, capsys):
    run(PushRosNamespace('two words'), code=1)
    assert 'The resulting namespace is invalid' in capsys.readouterr().out


def test_the_parameters_of_a_node_with_a_full_name_are_its_own(told):
    words = told(name='arm', namespace='left', parameters=[{'a': 1}])
    assert files_of(words) == [{'/left/arm': {'ros__parameters': {'a': 1}}}]


def test_single_parameters_are_words(told):
    words = told(
        SetLaunchConfiguration('rate', '7'),
        parameters=[
            Parameter('rate', LaunchConfiguration('rate')),
            Parameter('text', LaunchConfiguration('rate'), value_type=str),
            Parameter('names', ['a', 'b']),
        ],
    )
    values = '\n'.join(words).split('-p\n')[1:]
    assert [value.split('\n')[0] for value in values] == ['rate:=7', "text:='7'", 'names:=- a']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_no_parameter_file_outlives_the_launch(package, number):
    folder = package / 'tmp'
    folder.mkdir()
    launched = subprocess.Popen(
        [sys.executable, '-u', '-c', LAUNCHING],
        env={**os.environ, 'TMPDIR': str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert any('a: 1' in line for line in launched.stdout)
        assert list(folder.iterdir())
        launched.send_signal(number)
        launched.communicate(timeout=60.0)
        assert not list(folder.iterdir())
    finally:
        launched.kill()
        launched.communicate()


@pytest.mark.parametrize(
    ('pushed', 'own', 'joined'),
    [
        (None, 'left', '/left'),
        ('', '', '/'),
        ('', None, '/'),
        ('', 'left', '/left'),
        ('left', None, '/left'),
        ('/left', '', '/left'),
        ('/left', 'arm', '/left/arm'),
        ('/left', '/arm', '/arm'),
        ('/', 'arm', '/arm'),
        ('left/', 'arm/', '/left/arm'),
        ('/left', '/', '/'),
    ],
)
def test_namespaces_nest(told, pushed, own, joined):
    before = [] if pushed is None else [PushRosNamespace(pushed)]
    kwargs = {} if own is None else {'namespace': own}
    assert told(*before, **kwargs) == ['--ros-args', '-r', f'__ns:={joined}']


def test_a_pushed_namespace_ends_with_its_group(told):
    pushed = GroupAction([PushRosNamespace('left'), PushRosNamespace('arm')], scoped=False)
    assert '__ns:=/left/arm/own' in told(pushed, namespace='own')
    assert told(GroupAction([PushRosNamespace('left')])) == ['--ros-args']


def test_a_real_node_obeys(package, domain_id, monkeypatch, capsys):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id))
    file = package / 'some.yaml'
    file.write_text('/**/talker: {ros__parameters: {a: 1, b: 1}}')
    run(
        SetLaunchConfiguration('words', "['a b', '7']"),
        PushRosNamespace('left'),
        Node(
            package='demo',
            executable='talker',
            parameters=[str(file), {'b': 2, 'c': 3}, Parameter('d', LaunchConfiguration('words'))],
            remappings=[('chatter', 'news')],
            output='screen',
            on_exit=Shutdown(),
        ),
    )
    said = capsys.readouterr().out
    assert "/left/talker /left/news [1, 2, 3] ['a b', '7']" in said
    assert '[talker-' in said


def test_folders_of_packages(package):
    context = LaunchContext()
    assert FindPackagePrefix('demo').perform(context) == str(package)
    share = FindPackageShare(['de', 'mo'])
    assert share.perform(context) == f'{package}/share/demo'
    assert share.describe() == "FindPackageShare(pkg='de' + 'mo')"
    with pytest.raises(PackageNotFoundError, match='absent'):
        FindPackageShare('absent').perform(context)


@pytest.mark.parametrize(
    ('package_name', 'executable', 'message'),
    [
        ('demo', 'absent', "executable 'absent' not found on the libexec directory"),
        ('absent', 'program', "package 'absent' not found"),
    ],
)
def test_a_node_that_is_not_there_ends_the_launch(
    package, capsys, package_name, executable, message
):
    run(Node(package=package_name, executable=executable), code=1)
    assert message in capsys.readouterr().out


def test_what_is_lacking_names_the_real_package():
    for module, name in (
        (launch_ros.actions, 'LifecycleNode'),
        (launch_ros.actions, 'SetParameter'),
        (launch_ros.substitutions, 'ExecutableInPackage'),
    ):
        with pytest.raises(ImportError, match=f'{name} is not in .* ros-jazzy-launch-ros '):
            getattr(module, name)
