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
COPIED = ('dp', 'colcon.meta', 'ros_pip/setup.sh', 'ros_pip/env.sh', 'ros_pip/shell.sh')
COPIED += ('ros_pip/interfaces.py',)
LISTS = ('assets', 'build', 'checks', 'installer', 'left_out', 'python', 'ros')
COPIED += tuple(f'ros_pip/{name}.txt' for name in LISTS)
TOOLS = """basename bash cat chmod cksum cp cut dirname echo env find flock grep head id
mkdir mv nproc rm sed sh sha256sum sleep sort tail tar gzip touch true uname xargs""".split()
STEPS = {
    'venv': 'Making the virtual environment',
    'ros': 'Installing ROS 2',
    'python': 'Installing the Python packages',
    'interfaces': 'Building the messages',
    'gl': 'Looking for OpenGL',
    'packages': 'Linking the packages',
    'checks': 'Installing what checks and tests need',
}
RUNNING = [name for name in STEPS if name != 'checks']
# Answers what the set-up asks a Python; building writes one file and counts in `builds`.
PYTHON = """#!/bin/sh
case "$*" in
  *sysconfig*platform*) echo "linux 3.12" ;;
  *sysconfig*) echo {folder} ;;
  *version_info\\[*) echo 312 ;;
  "-m venv"*) for folder; do :; done; mkdir -p "$folder/bin" "$folder/share"
              cp "$0" "$folder/bin/python" ;;
  "-m pip install"*) cp {folder}/bin/fake_uv "${{0%/*}}/uv" ;;
  "-m pip config list") cat {folder}/pip_config ;;
  */interfaces.py*) echo built >> {folder}/builds
                    cp {folder}/builds {folder}/tree/.dp/interfaces/built ;;
esac
"""
# Installs by the script `install`; the file `resolved` is what it would install for torch.
UV = """#!/bin/sh
echo "$*" >> {folder}/asked
case "$*" in
  *--dry-run*) cat {folder}/resolved ;;
  *) . {folder}/install ;;
esac
"""


@pytest.fixture
def tree(tmp_path):
    """Copy the scripts, with a PATH on which the slow programs are fakes."""
    folder = tmp_path / 'tree'
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ('dp_ros', 'dp_ros_msgs', 'ros_pip/src/some_msgs', 'ros_pip/src/launch'):
        (folder / name).mkdir(parents=True)
    for name in ('config', 'launch', 'rviz'):
        (folder / 'dp_ros_bringup' / name).mkdir(parents=True)
    (folder / 'dp_ros_bringup' / 'config' / 'sim.yaml').touch()
    (folder / 'dp_ros_msgs' / 'Some.msg').write_text('int32 a\n')
    bin_folder = tmp_path / 'bin'
    bin_folder.mkdir()
    for name in TOOLS:
        (bin_folder / name).symlink_to(shutil.which(name))
    (tmp_path / 'Python.h').touch()
    for name in ('install', 'pip_config', 'resolved', 'asked', 'builds'):
        (tmp_path / name).touch()
    fake(tmp_path, 'python3.12', PYTHON.format(folder=tmp_path))
    fake(tmp_path, 'fake_uv', UV.format(folder=tmp_path))
    for name in ('c++', 'colcon'):
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


def dp(tree, *words, code=0, typed=None, **variables):
    given = command(tree, *words, **variables)
    if typed is not None:
        del given['stdin']
    done = subprocess.run(
        **given,
        input=typed,
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


def test_the_prompt_of_the_shell_names_the_project_after_the_users_own_settings(tree):
    dp(tree, 'run', 'true')
    (tree / '.bashrc').write_text("PS1='me> '\n")
    shown = dp(tree, 'shell', SHELL='bash', typed='echo "prompt: $PS1"\n')
    assert 'prompt: (dp_ros) me> ' in shown.splitlines()


def test_the_set_up_runs_once_and_a_change_repeats_only_what_needs_it(tree):
    told = dp(tree, 'run', 'echo', 'it works')
    assert steps(told) == RUNNING
    assert told.endswith('it works\n')
    assert dp(tree, 'run', 'echo', 'again') == 'again\n'

    folder = tree / 'tree'
    message = folder / 'dp_ros_msgs' / 'Some.msg'
    message.write_text('int32 b\n')
    assert steps(dp(tree, 'run', 'true')) == ['interfaces']
    message.rename(message.with_name('Other.msg'))
    assert steps(dp(tree, 'run', 'true')) == ['interfaces']
    (folder / 'ros_pip' / 'src' / 'some_msgs' / 'package.xml').touch()
    assert steps(dp(tree, 'run', 'true')) == ['interfaces']
    with (folder / 'ros_pip' / 'ros.txt').open('a') as file:
        file.write('another==1.0\n')
    assert steps(dp(tree, 'run', 'true')) == ['ros', 'python', 'interfaces', 'gl', 'packages']
    (folder / '.dp' / 'venv' / 'bin' / 'python').unlink()
    assert steps(dp(tree, 'run', 'true')) == RUNNING


def test_edited_settings_and_sources_need_no_step_and_new_files_only_links(tree):
    dp(tree, 'run', 'true')
    folder = tree / 'tree'
    config = folder / 'dp_ros_bringup' / 'config'
    (config / 'sim.yaml').write_text('a: 1\n')
    (folder / 'dp_ros' / 'module.py').write_text('a = 1\n')
    assert dp(tree, 'run', 'echo', 'at once') == 'at once\n'
    (config / 'new.yaml').touch()
    assert steps(dp(tree, 'run', 'true')) == ['packages']
    (folder / 'dp_ros' / 'setup.py').touch()
    assert steps(dp(tree, 'run', 'true')) == ['packages']
    assert (tree / 'builds').read_text() == 'built\n'


def test_what_only_checks_need_is_installed_for_them(tree):
    fake(tree, 'python', '#!/bin/sh\n')
    assert steps(dp(tree, 'test', 'some_test.py')) == list(STEPS)
    assert steps(dp(tree, 'run', 'true')) == []
    assert steps(dp(tree, 'test', 'some_test.py')) == []


def test_built_messages_are_kept_where_dp_cache_says(tree):
    cache = tree / 'cache'
    dp(tree, 'run', 'true', DP_CACHE=str(cache))
    assert len(list(cache.iterdir())) == 1
    shutil.rmtree(tree / 'tree' / '.dp')
    dp(tree, 'run', 'true', DP_CACHE=str(cache))
    assert (tree / 'builds').read_text() == 'built\n'
    assert (tree / 'tree' / '.dp' / 'interfaces' / 'built').is_file()

    (tree / 'tree' / 'dp_ros_msgs' / 'Some.msg').write_text('int32 b\n')
    dp(tree, 'run', 'true', DP_CACHE=str(cache))
    assert (tree / 'builds').read_text() == 2 * 'built\n'
    for archive in cache.iterdir():
        archive.write_bytes(b'damaged')
    shutil.rmtree(tree / 'tree' / '.dp')
    dp(tree, 'run', 'true', DP_CACHE=str(cache))
    assert (tree / 'builds').read_text() == 3 * 'built\n'


def test_the_size_of_the_download_is_said_before_it_starts(tree):
    (tree / 'resolved').write_text(' + torch==2.13.0+cpu\n')
    told = dp(tree, 'run', 'true')
    assert told.index('dp: downloading about 0.') < told.index('Installing ROS 2')
    assert 'CUDA' not in told
    assert 'downloading' not in dp(tree, 'run', 'true')


@pytest.mark.skipif(Path('/dev/nvidia0').exists(), reason='a GPU is there')
def test_a_cuda_build_that_nobody_asked_for_is_named_with_the_way_out(tree):
    (tree / 'resolved').write_text(' + nvidia-cublas==13.1\n + torch==2.13.0\n')
    told = dp(tree, 'run', 'true')
    assert 'comes as its CUDA build\n    because https://download.pytorch.org' in told
    assert 'PIP_FIND_LINKS' in told
    shutil.rmtree(tree / 'tree' / '.dp')
    told = dp(tree, 'run', 'true', DP_DEVICE='cuda')
    assert 'CUDA build\n' in told
    assert 'because' not in told


def test_packages_come_from_where_pip_looks_on_this_machine(tree):
    (tree / 'pip_config').write_text(
        "global.index-url='https://mirror/simple'\n:env:.find-links='/a /b'\nglobal.timeout='60'\n"
    )
    dp(tree, 'run', 'true')
    options = '--index-url=https://mirror/simple --find-links=/a --find-links=/b'
    assert all(options in line for line in (tree / 'asked').read_text().splitlines())


def test_piped_output_is_a_line_for_each_step(tree):
    told = dp(tree, 'run', 'true')
    lines = [line for line in told.splitlines() if line.startswith('[')]
    assert len(lines) == len(RUNNING)
    assert '\r' not in told


def test_the_exit_code_is_that_of_the_command(tree):
    dp(tree, 'run', 'sh', '-c', 'exit 7', code=7)


def test_a_failed_step_is_told_and_done_again(tree):
    (tree / 'install').write_text('echo disk is full; exit 1\n')
    told = dp(tree, 'run', 'true', code=2)
    assert steps(told) == ['venv']
    assert 'disk is full' in told
    assert told.splitlines()[-1] == (
        'dp: the set-up is incomplete; mend what it says and call again, it goes on from here'
    )
    (tree / 'install').write_text('')
    assert steps(dp(tree, 'run', 'true')) == RUNNING[1:]


def test_a_missing_network_is_named(tree):
    (tree / 'install').write_text('echo "[Errno 101] Network is unreachable"; exit 1\n')
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
    (tree / 'install').write_text(f'echo $$ > {pid_file}; sleep 600\n')
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
    (tree / 'install').write_text('')
    assert steps(dp(tree, 'run', 'true')) == RUNNING[1:]
