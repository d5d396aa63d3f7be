# SPDX-License-Identifier: Apache-2.0
"""The entry script: what it refuses, and which steps of the set-up it runs again."""

from contextlib import suppress
import os
from pathlib import Path
import shutil
import signal
import subprocess
import time

import pytest

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 60.0
COPIED = ('dp', 'colcon.meta', 'ros_pip/setup.sh', 'ros_pip/env.sh')
COPIED += tuple(f'ros_pip/{name}.txt' for name in ('assets', 'build', 'python', 'ros'))
TOOLS = """basename bash cat chmod cksum cp cut dirname echo env find flock grep head id mkdir
nproc rm sed sh sha256sum sleep sort tail touch true uname xargs""".split()
STEPS = {
    'venv': 'Making the virtual environment',
    'wheels': 'Installing ROS 2 and the Python packages',
    'relocate': 'Fitting the ROS 2 packages to this Python',
    'gl': 'Looking for OpenGL',
    'build': 'Building the workspace',
}
# Answers what the set-up asks a Python; pip does what the file `pip` says.
PYTHON = """#!/bin/sh
case "$*" in
  *sysconfig*) echo {include} ;;
  *version_info\\[*) echo 312 ;;
  "-m venv"*) for folder; do :; done; mkdir -p "$folder/bin" "$folder/share"
              cp "$0" "$folder/bin/python" ;;
  "-m pip"*) . {pip} ;;
esac
"""


@pytest.fixture
def tree(tmp_path):
    """Copy the scripts, with a PATH on which the slow programs are fakes."""
    folder = tmp_path / 'tree'
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ('dp_ros', 'dp_ros_msgs', 'dp_ros_bringup', 'ros_pip/src'):
        (folder / name).mkdir()
    (folder / 'dp_ros_msgs' / 'Some.msg').write_text('int32 a\n')
    bin_folder = tmp_path / 'bin'
    bin_folder.mkdir()
    for name in TOOLS:
        (bin_folder / name).symlink_to(shutil.which(name))
    (tmp_path / 'Python.h').touch()
    (tmp_path / 'pip').touch()
    fake(tmp_path, 'python3.12', PYTHON.format(include=tmp_path, pip=tmp_path / 'pip'))
    for name in ('c++', 'cmake', 'make', 'colcon'):
        fake(tmp_path, name, '#!/bin/sh\n')
    return tmp_path


def fake(tree, name, text):
    path = tree / 'bin' / name
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def command(tree, *words, **variables):
    """Return the arguments that run ./dp with the fakes, and nothing else, around it."""
    environment = {'PATH': str(tree / 'bin'), 'HOME': str(tree), **variables}
    return {
        'args': [str(tree / 'tree' / 'dp'), *words],
        'env': environment,
        'stdin': subprocess.DEVNULL,
        'text': True,
    }


def dp(tree, *words, code=0, **variables):
    done = subprocess.run(
        **command(tree, *words, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def steps(text):
    return [name for name, title in STEPS.items() if f'{title}: done' in text]


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        ([], 'dp: needs a command'),
        (['fly'], "dp: no command 'fly'"),
        (['run'], 'dp: run needs a command, as: ./dp run ros2 topic list'),
    ],
)
def test_a_call_that_makes_no_sense_is_refused_before_anything_is_set_up(tree, words, sentence):
    assert dp(tree, *words, code=2).splitlines()[-1] == sentence
    assert not (tree / 'tree' / '.dp').exists()


def test_help_lists_the_commands(tree):
    for words in (['help'], ['-h'], ['--help']):
        assert dp(tree, *words).startswith('usage: ./dp COMMAND')


@pytest.mark.parametrize(
    ('system', 'machine', 'sentence'),
    [
        ('Darwin', 'arm64', 'dp: runs on Linux, this is Darwin: use a Linux machine or container'),
        (
            'Linux',
            'aarch64',
            "dp: ROS 2's wheels are for x86_64, this is aarch64: "
            'install and source ROS 2 Jazzy, then call again',
        ),
    ],
)
def test_another_platform_is_refused(tree, system, machine, sentence):
    fake(tree, 'uname', f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {machine}\n')
    assert dp(tree, 'run', 'true', code=2) == sentence + '\n'


@pytest.mark.parametrize(
    ('missing', 'sentence'),
    [
        ('bin/c++', 'dp: needs a C/C++ compiler: apt-get install build-essential'),
        (
            'bin/python3.12',
            'dp: needs Python 3.11, 3.12 or 3.13: install one, or name it in DP_PYTHON',
        ),
        ('Python.h', 'dp: python3.12 has no headers, which building needs: '),
    ],
)
def test_what_is_missing_on_the_machine_is_named(tree, missing, sentence):
    (tree / missing).unlink()
    told = dp(tree, 'run', 'true', code=2)
    assert told.startswith(sentence)
    assert told.count('\n') == 1


def test_a_set_up_with_a_full_ros_asks_for_it(tree):
    dp(tree, 'run', 'true')
    (tree / 'tree' / '.dp' / 'full_ros').touch()
    assert 'ROS 2 that is not sourced now' in dp(tree, 'run', 'true', code=2)


@pytest.mark.parametrize(
    ('given', 'kept'),
    [({}, 'LOCALHOST'), ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}, 'SUBNET')],
)
@pytest.mark.parametrize('is_sourced', [False, True])
def test_every_command_keeps_to_this_machine_unless_told_otherwise(tree, is_sourced, given, kept):
    dp(tree, 'run', 'true')
    if is_sourced:
        (tree / 'tree' / '.dp' / 'full_ros').touch()
        given = {**given, 'ROS_DISTRO': 'jazzy'}
    told = dp(tree, 'run', 'sh', '-c', 'echo $ROS_AUTOMATIC_DISCOVERY_RANGE', **given)
    assert told == f'{kept}\n'


def test_the_shell_says_where_it_is(tree):
    dp(tree, 'run', 'true')
    assert dp(tree, 'shell', SHELL='true', ROS_DOMAIN_ID='7').startswith(
        'ROS domain 7, discovery LOCALHOST'
    )


def test_the_set_up_runs_once_and_a_change_repeats_only_what_needs_it(tree):
    told = dp(tree, 'run', 'echo', 'it works')
    assert steps(told) == list(STEPS)
    assert told.endswith('it works\n')
    assert dp(tree, 'run', 'echo', 'again') == 'again\n'

    message = tree / 'tree' / 'dp_ros_msgs' / 'Some.msg'
    message.write_text('int32 b\n')
    assert steps(dp(tree, 'run', 'true')) == ['build']
    message.rename(message.with_name('Other.msg'))
    assert steps(dp(tree, 'run', 'true')) == ['build']
    with (tree / 'tree' / 'ros_pip' / 'ros.txt').open('a') as file:
        file.write('another==1.0\n')
    assert steps(dp(tree, 'run', 'true')) == ['wheels', 'relocate', 'gl', 'build']
    (tree / 'tree' / '.dp' / 'venv' / 'bin' / 'python').unlink()
    assert steps(dp(tree, 'run', 'true')) == list(STEPS)


def test_the_exit_code_is_that_of_the_command(tree):
    dp(tree, 'run', 'sh', '-c', 'exit 7', code=7)


def test_a_failed_step_is_told_and_done_again(tree):
    (tree / 'pip').write_text('echo disk is full; exit 1\n')
    told = dp(tree, 'run', 'true', code=2)
    assert steps(told) == ['venv']
    assert 'disk is full' in told
    assert told.splitlines()[-1] == (
        'dp: the set-up is incomplete; mend what it says and call again, it goes on from here'
    )
    (tree / 'pip').write_text('')
    assert steps(dp(tree, 'run', 'true')) == ['wheels', 'relocate', 'gl', 'build']


def test_a_missing_network_is_named(tree):
    (tree / 'pip').write_text('echo "[Errno 101] Network is unreachable"; exit 1\n')
    told = dp(tree, 'run', 'true', code=2)
    assert told.splitlines()[-1] == (
        'dp: the package registry cannot be reached: check the network, then call again'
    )


def is_running(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'XZ'
    return False


def setup_of(process):
    """Return the pid of setup.sh, the one child of ./dp."""
    return int(Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text())


@pytest.mark.parametrize(
    'interrupt',
    [
        lambda process: os.killpg(process.pid, signal.SIGINT),  # as a terminal does
        lambda process: os.kill(setup_of(process), signal.SIGTERM),
    ],
    ids=['ctrl-c', 'kill'],
)
def test_an_interrupt_ends_the_step_and_the_next_call_does_it_again(tree, interrupt):
    pid_file = tree / 'pid'
    (tree / 'pip').write_text(f'echo $$ > {pid_file}; sleep 600\n')
    process = subprocess.Popen(
        **command(tree, 'run', 'true'),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    end = time.monotonic() + DEADLINE
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert time.monotonic() < end
        time.sleep(0.02)
    interrupt(process)
    _, told = process.communicate(timeout=DEADLINE)
    assert process.returncode != 0
    assert 'dp: interrupted; the next call goes on from here' in told
    pid = int(pid_file.read_text())
    while is_running(pid):
        assert time.monotonic() < end, 'pip goes on'
        time.sleep(0.02)
    (tree / 'pip').write_text('')
    assert steps(dp(tree, 'run', 'true')) == ['wheels', 'relocate', 'gl', 'build']
