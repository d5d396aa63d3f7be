# SPDX-License-Identifier: Apache-2.0
"""The launch stand-in: arguments, scopes, events, and processes that never stay behind."""

from contextlib import suppress
import os
from pathlib import Path
import pty
import signal
import subprocess
import sys
import time

import launch
from launch import LaunchContext, LaunchDescription, LaunchService
from launch.actions import (
    AppendEnvironmentVariable,
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
    Shutdown,
    TimerAction,
    UnsetEnvironmentVariable,
    UnsetLaunchConfiguration,
)
from launch.conditions import (
    IfCondition,
    InvalidConditionExpressionError,
    UnlessCondition,
)
from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart, OnShutdown
from launch.events import matches_action
from launch.events.process import ShutdownProcess, SignalProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import (
    AndSubstitution,
    Command,
    EnvironmentVariable,
    EqualsSubstitution,
    FindExecutable,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    NotSubstitution,
    OrSubstitution,
    PathJoinSubstitution,
    PythonExpression,
    SubstitutionFailure,
    ThisLaunchFileDir,
)
import pytest

DEADLINE = 60.0
ENDLESS = 'echo ready; while :; do sleep 0.05; done'
INCLUDED = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo
from launch.substitutions import LaunchConfiguration, ThisLaunchFileDir

def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('word', description='What to say.'),
        LogInfo(msg=['included says ', LaunchConfiguration('word'), ' in ', ThisLaunchFileDir()]),
    ])
"""
# Two children, one of which ignores SIGINT and writes its pid to a file.
LAUNCHED = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import ExecuteProcess

def shell(script):
    return ExecuteProcess(cmd=['sh', '-c', script], output='screen', sigterm_timeout='0.2')

loop = 'while :; do sleep 0.05; done'
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([
    shell("trap 'echo polite; exit 3' INT; echo $$ > polite; " + loop),
    shell("trap '' INT; echo $$ > deaf; " + loop),
]))
sys.exit(service.run())
"""
IN_TERMINAL = """
from launch import LaunchDescription, LaunchService
from launch.actions import ExecuteProcess

script = "trap 'echo interrupted; sleep 0.2; exit' INT; echo ready; while :; do sleep 0.05; done"
service = LaunchService()
service.include_launch_description(LaunchDescription([
    ExecuteProcess(cmd=['sh', '-c', script], output='screen')
]))
service.run()
"""


@pytest.fixture(autouse=True)
def logs(monkeypatch, tmp_path):
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))


@pytest.fixture
def said(capsys):
    """Return a function that runs entities and returns what the screen showed."""

    def run(*entities, code=0):
        service = LaunchService(noninteractive=True)
        service.include_launch_description(LaunchDescription(entities))
        assert service.run() == code
        return capsys.readouterr().out

    return run


def sh(script, **kwargs):
    return ExecuteProcess(cmd=['sh', '-c', script], **{'output': 'screen', **kwargs})


def say(*parts):
    return LogInfo(msg=list(parts))


def config(name):
    return LaunchConfiguration(name)


def at_output(process, *entities):
    """Visit the entities once the process has written something."""
    handler = OnProcessIO(
        target_action=process, on_stdout=lambda event: list(entities), handle_once=True
    )
    return RegisterEventHandler(handler)


# ---- arguments, configurations, substitutions, conditions


def test_an_argument_has_its_default_unless_a_value_is_given(said):
    told = said(
        SetLaunchConfiguration('b', 'given'),
        DeclareLaunchArgument('a', default_value=['de', 'fault']),
        DeclareLaunchArgument('b', default_value='unused'),
        say('a=', config('a'), ' b=', config('b')),
    )
    assert 'a=default b=given' in told


def test_a_required_argument_that_is_missing_ends_the_launch(said):
    told = said(DeclareLaunchArgument('needed'), say('went on'), code=1)
    assert 'Required launch argument "needed" was not provided.' in told
    assert 'went on' not in told


def test_a_value_that_is_no_choice_is_refused(said):
    argument = DeclareLaunchArgument('side', choices=['left', 'right'])
    told = said(SetLaunchConfiguration('side', 'up'), argument, code=1)
    assert "provided value \"up\" is not valid. Valid options are: ['left', 'right']" in told
    with pytest.raises(RuntimeError, match='not in provided choices'):
        DeclareLaunchArgument('side', default_value='up', choices=['left'])


def context(**configurations):
    made = LaunchContext()
    made.launch_configurations.update(configurations)
    return made


SUBSTITUTIONS = [
    (LaunchConfiguration('a'), 'one', "LaunchConfig('a')"),
    (LaunchConfiguration('absent', default=['x', 2]), 'x2', "LaunchConfig('absent')"),
    (PathJoinSubstitution([config('a'), 'b', 'c']), 'one/b/c', None),
    (PathJoinSubstitution(['a', 'b']), 'a/b', "PathJoin(''a' + 'b'')"),
    (PythonExpression(['2 * ', config('n'), ' + floor(pi)']), '9', None),
    (PythonExpression('1'), '1', "PythonExpr('1', ['math'])"),
    (EqualsSubstitution(config('a'), 'one'), 'true', None),
    (NotEqualsSubstitution(config('a'), 'one'), 'false', None),
    (AndSubstitution('true', config('no')), 'false', "AndSubstitution('true' LaunchConfig('no'))"),
    (OrSubstitution('1', config('no')), 'true', None),
    (NotSubstitution('False'), 'true', "NotSubstitution('False')"),
    (IfElseSubstitution(config('no'), 'yes', config('a')), 'one', None),
    (EnvironmentVariable('ABSENT_72', default_value='none'), 'none', "EnvVar('ABSENT_72')"),
    (FindExecutable(name='sh'), '/bin/sh', "FindExec('sh')"),
    (Command(['echo ', config('a')]), 'one\n', None),
]


@pytest.mark.parametrize(('substitution', 'text', 'description'), SUBSTITUTIONS)
def test_a_substitution_gives_its_text(monkeypatch, substitution, text, description):
    monkeypatch.setenv('PATH', '/bin')
    assert substitution.perform(context(a='one', n='3', no='false')) == text
    if description is not None:
        assert substitution.describe() == description


@pytest.mark.parametrize(
    ('substitution', 'message'),
    [
        (LaunchConfiguration('absent'), "launch configuration 'absent' does not exist"),
        (EnvironmentVariable('ABSENT_72'), "environment variable 'ABSENT_72' does not exist"),
        (FindExecutable(name='absent'), "executable 'absent' not found"),
        (Command('absent'), 'file not found'),
        (Command("sh -c 'echo no >&2; exit 1'"), 'no$'),
        (Command("sh -c 'echo no >&2'"), 'showed stderr output'),
        (NotSubstitution('maybe'), "Cannot convert value 'maybe'"),
        (ThisLaunchFileDir(), 'outside of a launch file'),
    ],
)
def test_a_substitution_that_cannot_be_made_says_why(substitution, message):
    with pytest.raises(SubstitutionFailure, match=message):
        substitution.perform(context())


@pytest.mark.parametrize(
    ('text', 'holds'), [('true', True), (' True ', True), ('1', True), ('false', False)]
)
def test_conditions_read_true_and_false(text, holds):
    values = context(text=text)
    assert IfCondition(config('text')).evaluate(values) is holds
    assert UnlessCondition(config('text')).evaluate(values) is not holds
    with pytest.raises(InvalidConditionExpressionError, match="got 'yes'"):
        IfCondition('yes').evaluate(values)


def test_an_action_is_skipped_where_its_condition_does_not_hold(said):
    told = said(
        LogInfo(msg='shown', condition=IfCondition('true')),
        LogInfo(msg='hidden', condition=UnlessCondition('true')),
        GroupAction([say('in group')], condition=IfCondition('0')),
    )
    assert 'shown' in told
    assert 'hidden' not in told
    assert 'in group' not in told


# ---- scopes and other files


def test_what_a_group_changes_ends_with_it(said):
    told = said(
        SetLaunchConfiguration('a', 'outer'),
        SetEnvironmentVariable('GROUP_72', 'outer'),
        GroupAction(
            [
                say('inside a=', config('a'), ' b=', config('b')),
                SetLaunchConfiguration('a', 'inner'),
                UnsetLaunchConfiguration('b'),
                AppendEnvironmentVariable('GROUP_72', 'inner', separator='+'),
                sh('echo environment $GROUP_72'),
            ],
            launch_configurations={'b': 'added'},
        ),
        say('outside a=', config('a'), ' ', EnvironmentVariable('GROUP_72')),
        say('b ', LaunchConfiguration('b', default='is gone')),
        UnsetEnvironmentVariable('GROUP_72'),
    )
    assert 'inside a=outer b=added' in told
    assert 'environment outer+inner' in told
    assert 'outside a=outer outer' in told
    assert 'b is gone' in told
    assert 'GROUP_72' not in os.environ


def test_a_group_may_begin_empty_and_may_leave_its_changes(said):
    told = said(
        SetLaunchConfiguration('a', 'outer'),
        GroupAction([say('a ', LaunchConfiguration('a', default='unknown'))], forwarding=False),
        GroupAction([SetLaunchConfiguration('a', 'left over')], scoped=False),
        say('then ', config('a')),
    )
    assert 'a unknown' in told
    assert 'then left over' in told


def included(tmp_path, **arguments):
    path = tmp_path / 'included.launch.py'
    path.write_text(INCLUDED)
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([str(tmp_path), path.name])),
        launch_arguments=arguments.items(),
    )


def test_an_included_file_gets_its_arguments(said, tmp_path):
    told = said(SetLaunchConfiguration('who', 'hello'), included(tmp_path, word=config('who')))
    assert f'included says hello in {tmp_path}' in told


def test_an_included_file_misses_an_argument(said, tmp_path):
    told = said(included(tmp_path, other='1'), code=1)
    assert "missing required argument 'word' (description: 'What to say.')" in told
    # That it is set already does not count.
    assert 'missing required' in said(
        SetLaunchConfiguration('word', 'set'), included(tmp_path), code=1
    )
    declared = LaunchDescription([included(tmp_path)]).get_launch_arguments()
    assert [argument.name for argument in declared] == ['word']


def test_a_launch_file_that_is_none_says_so(said, tmp_path):
    path = tmp_path / 'wrong.launch.py'
    path.write_text('answer = 42\n')
    told = said(IncludeLaunchDescription(str(path)), code=1)
    assert "does not contain the required function 'generate_launch_description()'" in told
    told = said(IncludeLaunchDescription('some.launch.xml'), code=1)
    assert 'ros-jazzy-launch' in told


# ---- processes


def test_a_process_gets_its_folder_and_environment(said, tmp_path):
    told = said(
        SetLaunchConfiguration('given', 'value'),
        sh('pwd; echo $GIVEN', cwd=str(tmp_path), additional_env={'GIVEN': config('given')}),
        ExecuteProcess(cmd=['echo', 'a  b'], shell=True, output='screen', name='shell'),
        ExecuteProcess(cmd=['/usr/bin/env'], env={'ALONE': '1'}, output='screen'),
    )
    lines = [line.partition('] ')[2] for line in told.splitlines()]
    assert {str(tmp_path), 'value', 'a b', 'ALONE=1'} <= set(lines)
    assert not any(line.startswith('PATH=') for line in lines)
    assert '[shell-' in told


def test_output_goes_where_it_is_sent(said):
    script = 'echo to stdout; echo to stderr >&2; printf unended'
    told = said(sh(script, output='log'))
    assert 'to stderr' in told
    assert 'to stdout' not in told
    assert 'unended' in said(sh(script, output={'stdout': 'screen'}))
    log = Path(launch.logging.launch_config.log_dir, 'launch.log').read_text()
    assert 'to stdout' in log
    told = said(sh(script, output='nowhere'), code=1)
    assert 'nowhere is not a valid standard output config' in told


def test_a_program_that_cannot_start_is_named_and_the_others_go_on(said):
    told = said(ExecuteProcess(cmd=['absent-program']), sh('echo goes on'))
    assert "No such file or directory: 'absent-program'" in told
    assert 'goes on' in told


def test_processes_follow_each_other(said):
    first = sh('echo out; exit 4', name='first')
    told = said(
        first,
        RegisterEventHandler(OnProcessStart(target_action=first, on_start=[say('started')])),
        RegisterEventHandler(
            OnProcessExit(
                target_action=first,
                on_exit=lambda event, context: say(f'{event.process_name} {event.returncode}'),
            )
        ),
        RegisterEventHandler(OnProcessExit(target_action=first, on_exit=[sh('echo second')])),
    )
    assert 'started' in told
    assert 'first-' in told
    assert 'exit code 4' in told
    assert told.index('[first-') < told.index('] second')
    assert ' 4\n' in told


def test_the_end_of_a_required_process_ends_the_launch(said):
    other = sh(ENDLESS)
    required = sh('exit 0', on_exit=Shutdown(reason='it ended'))
    told = said(other, at_output(other, required))
    assert 'was required: shutting down launched system' in told
    assert other.return_code == -signal.SIGINT


@pytest.mark.parametrize(
    ('ignored', 'sent', 'returncode'),
    [
        ('', ['SIGINT'], -signal.SIGINT),
        ('INT', ['SIGINT', 'SIGTERM'], -signal.SIGTERM),
        ('INT TERM', ['SIGINT', 'SIGTERM', 'SIGKILL'], -signal.SIGKILL),
    ],
)
def test_a_process_that_stays_is_told_ever_more_firmly(said, ignored, sent, returncode):
    trap = f"trap '' {ignored}; " if ignored else ''
    process = sh(trap + ENDLESS, sigterm_timeout='0.3', sigkill_timeout='0.3')
    told = said(process, at_output(process, Shutdown()))
    signals = [line.split("'")[1] for line in told.splitlines() if 'sending signal' in line]
    assert signals == sent
    assert process.return_code == returncode
    if len(sent) > 1:
        assert "failed to terminate '0.3' seconds after receiving 'SIGINT'" in told


def test_timeouts_are_launch_configurations_too(said):
    process = sh("trap '' INT; " + ENDLESS)
    told = said(
        SetLaunchConfiguration('sigterm_timeout', '0.2'), process, at_output(process, Shutdown())
    )
    assert "failed to terminate '0.2' seconds" in told


def test_one_process_can_be_signalled_or_ended(said):
    signalled, ended = sh(ENDLESS), sh(ENDLESS)
    told = said(
        signalled,
        ended,
        at_output(
            signalled,
            EmitEvent(
                event=SignalProcess(
                    signal_number=signal.SIGUSR1, process_matcher=matches_action(signalled)
                )
            ),
        ),
        at_output(ended, EmitEvent(event=ShutdownProcess(process_matcher=matches_action(ended)))),
        RegisterEventHandler(OnShutdown(on_shutdown=[say('last words')])),
    )
    assert signalled.return_code == -signal.SIGUSR1
    assert ended.return_code == -signal.SIGINT
    assert 'last words' in told


def test_a_process_is_started_again_as_often_as_allowed(said):
    told = said(sh('echo tried', respawn=True, respawn_delay=0.01, respawn_max_retries=2))
    assert told.count('] tried') == 3


def test_a_shutdown_ends_the_starting_again(said):
    process = sh(ENDLESS, respawn=LaunchConfiguration('again', default='true'))
    told = said(process, at_output(process, Shutdown()))
    assert told.count('process started') == 1


# ---- time, functions, errors


def test_a_timer_acts_later_unless_the_launch_ends(said):
    told = said(
        TimerAction(period=0.05, actions=[say('first'), Shutdown()]),
        TimerAction(period=3600.0, actions=[say('never')]),
    )
    assert 'first' in told
    assert 'never' not in told


def test_a_function_sees_the_context_and_gives_entities(said):
    told = said(
        SetLaunchConfiguration('a', 'known'),
        OpaqueFunction(
            function=lambda context, end: [say(context.launch_configurations['a'], end)],
            args=['!'],
        ),
    )
    assert 'known!' in told


def fail(context):
    raise ValueError('no such robot')


def test_an_error_ends_all_processes_and_is_told(said):
    process = sh(ENDLESS)
    exited = OnProcessExit(target_action=process, on_exit=[say('its end is heard')])
    told = said(
        process,
        at_output(process, OpaqueFunction(function=fail)),
        RegisterEventHandler(exited),
        code=1,
    )
    assert 'Caught exception in launch (see debug for traceback): no such robot' in told
    assert process.return_code == -signal.SIGINT
    assert 'its end is heard' in told


# ---- what comes from outside


@pytest.fixture
def launched(tmp_path):
    """Start a launch of two processes; wait until they run."""
    process = subprocess.Popen(
        [sys.executable, '-c', LAUNCHED],
        cwd=tmp_path,
        env={**os.environ, 'ROS_LOG_DIR': str(tmp_path / 'log')},
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = [int(until(lambda n=name: read(tmp_path / n))) for name in ('polite', 'deaf')]
    yield process, pids
    for pid in [process.pid, *pids]:
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def read(path):
    return path.read_text().strip() if path.exists() else ''


def until(condition):
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, 'not within the deadline'
        time.sleep(0.02)
    return value


def is_running(pid):
    try:
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in 'XZ'


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 0), (signal.SIGTERM, 1)])
def test_a_signal_to_the_launch_ends_its_processes(launched, number, code):
    process, pids = launched
    process.send_signal(number)
    told, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == code
    assert not any(map(is_running, pids))
    assert '] polite' in told
    assert "escalating to 'SIGTERM'" in told
    assert 'user interrupted with ctrl-' in told


def test_ctrl_c_in_a_terminal_reaches_each_process_once(tmp_path):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ['ROS_LOG_DIR'] = str(tmp_path / 'log')
        os.execv(sys.executable, [sys.executable, '-c', IN_TERMINAL])
    told = ''
    try:
        while 'ready' not in told:
            told += os.read(terminal, 1000).decode()
        os.write(terminal, b'\x03')
        with suppress(OSError):  # how a terminal says that its other end is closed
            while text := os.read(terminal, 1000).decode():
                told += text
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert told.count('] interrupted') == 1
    assert 'sending signal' not in told


def test_no_process_outlives_a_launch_that_is_killed(launched):
    process, pids = launched
    process.kill()
    until(lambda: not any(map(is_running, pids)))


# ---- what the stand-in lacks


def test_what_is_lacking_names_the_real_package():
    for module, name in (
        (launch, 'LaunchIntrospector'),
        (launch.actions, 'ExecuteLocal'),
        (launch.substitutions, 'AnonName'),
        (launch.conditions, 'LaunchConfigurationEquals'),
        (launch.events.process, 'ProcessStdin'),
    ):
        with pytest.raises(ImportError, match=f'{name} is not in .* ros-jazzy-launch '):
            getattr(module, name)
    with pytest.raises(AttributeError, match="no attribute 'Absent'"):
        _ = launch.actions.Absent
    with pytest.raises(NotImplementedError, match="lacks the argument 'cached_output'"):
        ExecuteProcess(cmd=['true'], cached_output=True)
