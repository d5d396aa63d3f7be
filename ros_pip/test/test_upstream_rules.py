# SPDX-License-Identifier: Apache-2.0
"""What the oldest supported upstream refuses and makes of values: the same tables hold for both.

With the folders of upstream's sources in front of PYTHONPATH the tables run against those:
launch 3.4.2, launch_ros 0.26.5 (README.md).
"""

from pathlib import Path

from launch import LaunchContext
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
    TimerAction,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import (
    AndSubstitution,
    EnvironmentVariable,
    EqualsSubstitution,
    IfElseSubstitution,
    LaunchConfiguration,
    NotSubstitution,
    PathJoinSubstitution,
    SubstitutionFailure,
    TextSubstitution,
)
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import Parameter, ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare
import pytest

SEVEN = LaunchConfiguration('seven')
NESTED = ['a', [SEVEN, '.yaml']]


def node(**kwargs):
    return Node(executable='true', **kwargs)


# Refused when it is made: what a launch file says wrongly ends while it is read.
REFUSED = {
    'a path of nested lists': (lambda: PathJoinSubstitution(NESTED), TypeError),
    'a path of a number': (lambda: PathJoinSubstitution(['a', 7]), TypeError),
    'a Path as a text': (lambda: PathJoinSubstitution(['a', Path('b')]), TypeError),
    'a Path to include': (lambda: IncludeLaunchDescription(Path('a.launch.py')), TypeError),
    'a Path to include, wrapped': (lambda: PythonLaunchDescriptionSource(Path('a')), TypeError),
    'a message of nested lists': (lambda: LogInfo(msg=NESTED), TypeError),
    'a message of a number': (lambda: LogInfo(msg=7), TypeError),
    'no message': (lambda: LogInfo(msg=None), TypeError),
    'a configuration of a number': (lambda: SetLaunchConfiguration('a', 7), TypeError),
    'a variable of a bool': (lambda: SetEnvironmentVariable('A', True), TypeError),
    'a default of a number': (lambda: DeclareLaunchArgument('a', default_value=7), TypeError),
    'a default of a bool': (lambda: DeclareLaunchArgument('a', default_value=False), TypeError),
    'a default of nested lists': (
        lambda: DeclareLaunchArgument('a', default_value=NESTED),
        TypeError,
    ),
    'a default that is no choice': (
        lambda: DeclareLaunchArgument('a', default_value='b', choices=['c']),
        RuntimeError,
    ),
    'no choices': (lambda: DeclareLaunchArgument('a', choices=[]), RuntimeError),
    'a condition of a bool': (lambda: IfCondition(True), TypeError),
    'a default variable of a number': (
        lambda: EnvironmentVariable('A', default_value=1),
        TypeError,
    ),
    'a text of a number': (lambda: TextSubstitution(text=7), TypeError),
    'a package of a number': (lambda: FindPackageShare(7), TypeError),
    'a timer of words': (lambda: TimerAction(period='soon', actions=[]), ValueError),
    'a timer of an int': (lambda: TimerAction(period=5, actions=[]), TypeError),
    'a timer of nothing': (lambda: TimerAction(period=None, actions=[]), TypeError),
    'a timer without a list': (lambda: TimerAction(period=1.0, actions=None), TypeError),
    'a timer that may stay': (
        lambda: TimerAction(period=1.0, actions=[], cancel_on_shutdown='no'),
        TypeError,
    ),
    'a function that is none': (lambda: OpaqueFunction(function='f'), TypeError),
    'a word of a number': (lambda: ExecuteProcess(cmd=['sleep', 1]), TypeError),
    'a word of nested lists': (lambda: ExecuteProcess(cmd=['a', NESTED]), TypeError),
    'respawn in words': (lambda: ExecuteProcess(cmd=['a'], respawn='true'), TypeError),
    'respawn as a number': (lambda: ExecuteProcess(cmd=['a'], respawn=1), TypeError),
    'respawn of nothing': (lambda: ExecuteProcess(cmd=['a'], respawn=None), TypeError),
    'patience of a number': (lambda: ExecuteProcess(cmd=['a'], sigterm_timeout=5), TypeError),
    'a folder as a Path': (lambda: ExecuteProcess(cmd=['a'], cwd=Path('/')), TypeError),
    'an environment of numbers': (
        lambda: ExecuteProcess(cmd=['a'], additional_env={'A': 1}),
        TypeError,
    ),
    'no output': (lambda: ExecuteProcess(cmd=['a'], output=None), TypeError),
    'an unknown argument': (lambda: ExecuteProcess(cmd=['a'], colour='red'), TypeError),
    'an exit of a text': (lambda: OnProcessExit(target_action='a', on_exit=[]), TypeError),
    'a start of a text': (lambda: OnProcessStart(target_action='a', on_start=[]), TypeError),
    'an answer of texts': (lambda: OnProcessExit(on_exit=['a']), TypeError),
    'words for an int': (lambda: ParameterValue('seven', value_type=int), TypeError),
    'a text for an int': (lambda: ParameterValue('7', value_type=int), TypeError),
    'a float for an int': (lambda: ParameterValue(7.0, value_type=int), TypeError),
    'an int for a float': (lambda: ParameterValue(7, value_type=float), TypeError),
    'an int for a text': (lambda: ParameterValue(7, value_type=str), TypeError),
    'a list for an int': (lambda: ParameterValue([7], value_type=int), TypeError),
    'an int for a list': (lambda: ParameterValue(7, value_type=list[int]), TypeError),
    'texts for ints': (lambda: ParameterValue(['7'], value_type=list[int]), TypeError),
    'a value of nothing': (lambda: ParameterValue(None), TypeError),
    'a value of several types': (lambda: ParameterValue([7, 'a']), TypeError),
    'a value of lists': (lambda: ParameterValue([[7]]), TypeError),
    'a value of a Path': (lambda: ParameterValue(Path('a'), value_type=str), TypeError),
    'a type that is none': (lambda: ParameterValue('a', value_type=dict), ValueError),
    'a parameter named by a number': (lambda: Parameter(7, 7), TypeError),
    'a file of a number': (lambda: ParameterFile(7), TypeError),
    'parameters in a tuple': (lambda: node(parameters=({'a': 1},)), TypeError),
    'parameters without a list': (lambda: node(parameters={'a': 1}), TypeError),
    'a parameter of nothing': (lambda: node(parameters=[{'a': None}]), TypeError),
    'a parameter of a Path': (lambda: node(parameters=[{'a': Path('b')}]), TypeError),
    'parameters of a number': (lambda: node(parameters=[7]), TypeError),
    'ROS arguments in a tuple': (lambda: node(ros_arguments=('-p', 'a:=1')), TypeError),
    'a remapping in a list': (lambda: node(remappings=[['a', 'b']]), TypeError),
    'a remapping of three': (lambda: node(remappings=[('a', 'b', 'c')]), TypeError),
    'a remapping of a number': (lambda: node(remappings=[('a', 7)]), TypeError),
    'a namespace of a number': (lambda: PushRosNamespace(7), TypeError),
}


@pytest.mark.parametrize('what', REFUSED)
def test_it_is_refused_when_it_is_made(what):
    make, error = REFUSED[what]
    with pytest.raises(error):
        make()


def context(**configurations):
    made = LaunchContext()
    made.launch_configurations.update({'seven': '7', 'word': 'a b', 'empty': '', 'no': 'false'})
    made.launch_configurations.update(configurations)
    return made


def typed(value, value_type=None):
    return lambda: ParameterValue(value, value_type=value_type).evaluate(context())


def performed(substitution):
    return lambda: substitution.perform(context())


WORD, EMPTY, NO = map(LaunchConfiguration, ('word', 'empty', 'no'))
LIST = LaunchConfiguration('list', default='[1, 2]')
# A value, or the error that tells why there is none.
EVALUATED = {
    'a text stays one': (typed('7'), '7'),
    'an int': (typed(7, int), 7),
    'read by YAML': (typed(SEVEN), 7),
    'read as an int': (typed(SEVEN, int), 7),
    'read as a float': (typed(SEVEN, float), 7.0),
    'read as a text': (typed(SEVEN, str), '7'),
    'an empty text': (typed(EMPTY), ''),
    'an empty text as a text': (typed(EMPTY, str), ''),
    'an empty text as an int': (typed(EMPTY, int), ValueError),
    'words as an int': (typed(WORD, int), ValueError),
    'words as a float': (typed(WORD, float), ValueError),
    'words as a bool': (typed(WORD, bool), ValueError),
    'a bool': (typed(NO, bool), False),
    '1 as a bool': (typed(TextSubstitution(text='1'), bool), True),
    '7 as a bool': (typed(SEVEN, bool), ValueError),
    'parts of one text': (typed(['a', SEVEN]), 'a7'),
    'a list by YAML': (typed(LIST), [1, 2]),
    'a list of ints': (typed(LIST, list[int]), [1, 2]),
    'a list of ints as texts': (typed(LIST, list[str]), ValueError),
    'a scalar as a list': (typed(SEVEN, list[int]), ValueError),
    'a list with substitutions': (typed([[SEVEN], 8], list[int]), [7, 8]),
    'a list of ints and floats': (typed([1, 2.5]), [1.0, 2.5]),
    'nothing by YAML': (typed(TextSubstitution(text='~')), ValueError),
    'a mapping by YAML': (typed(TextSubstitution(text='{a: 1}')), ValueError),
    'no YAML': (typed(TextSubstitution(text='[a')), ValueError),
    'both': (performed(AndSubstitution('true', '1')), 'true'),
    'both, one in words': (performed(AndSubstitution('yes', NO)), 'false'),
    'not words': (performed(NotSubstitution('maybe')), SubstitutionFailure),
    'not 7': (performed(NotSubstitution(SEVEN)), SubstitutionFailure),
    'one of two': (performed(IfElseSubstitution(NO, 'a', ['b', SEVEN])), 'b7'),
    'one of two of words': (performed(IfElseSubstitution(WORD, 'a')), SubstitutionFailure),
    'a text is a number': (performed(EqualsSubstitution(SEVEN, 7)), 'true'),
    'a text is a bool': (performed(EqualsSubstitution(NO, False)), 'true'),
    'a text is nothing': (performed(EqualsSubstitution(EMPTY, None)), 'true'),
    'a path': (performed(PathJoinSubstitution(['a', SEVEN, 'c'])), 'a/7/c'),
    'a condition of words': (
        lambda: IfCondition(WORD).evaluate(context()),
        Exception,
    ),
    'respawn decided late': (lambda: ExecuteProcess(cmd=['a'], respawn=NO) and None, None),
    'a timer decided late': (lambda: TimerAction(period=SEVEN, actions=[]) and None, None),
}


@pytest.mark.parametrize('what', EVALUATED)
def test_a_value_is_read_as_upstream_does(what):
    make, expected = EVALUATED[what]
    if isinstance(expected, type) and issubclass(expected, Exception):
        with pytest.raises(expected):
            make()
        return
    assert (value := make()) == expected
    assert type(value) is type(expected)
