# SPDX-License-Identifier: Apache-2.0
"""Write, check and show task files.

`ros2 run dp_ros task new --out my_task.yaml` writes a first task file from the live topics, or
with `--bag DIR` from a recording. `task check FILE` names an error in a task file, or summarises
the file. `task show DIR` prints the task of a checkpoint or of recordings.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import sys
import time
from typing import Any

from dp_ros.data.datasets.dataset import DatasetError, find_bags
from dp_ros.data.datasets.discovery import Seen, add_joints, discover, task_of
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.data.windows.window import window_spec
from dp_ros.ros.domain import keep_to_this_machine
from dp_ros.task.commented import commented
from dp_ros.task.task import Task
from dp_ros.task.task_file import read_task
from dp_ros.values import ConfigError
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, JointState
from trajectory_msgs.msg import JointTrajectory

_SEARCH_PERIOD = 0.2
_KINDS = {
    'sensor_msgs/msg/JointState': (JointState, 'states'),
    'trajectory_msgs/msg/JointTrajectory': (JointTrajectory, 'commands'),
    'sensor_msgs/msg/Image': (Image, 'images'),
    'sensor_msgs/msg/CompressedImage': (CompressedImage, 'images'),
}


def main() -> int:
    """Parse the command line and run the command."""
    args = _parse(sys.argv[1:])
    try:
        text = args.run(args)
    except (ConfigError, DatasetError, OSError, ValueError) as error:
        print(f'task: {error}', file=sys.stderr)
        return 1
    print(text)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros task', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    new = commands.add_parser('new', help='write a first task file')
    new.add_argument(
        '--out',
        type=Path,
        default=Path('task.yaml'),
        help='task file to write (default: %(default)s)',
    )
    new.add_argument(
        '--bag', type=Path, help='folder of recordings (default: use the live topics)'
    )
    new.add_argument(
        '--seconds',
        type=float,
        default=5.0,
        help='time to listen to the live topics [s] (default: %(default)s)',
    )
    new.set_defaults(run=_new)
    check = commands.add_parser('check', help='check a task file')
    check.add_argument('file', type=Path, help='task file')
    check.set_defaults(run=_check)
    show = commands.add_parser('show', help='print the task of a checkpoint or of recordings')
    show.add_argument('folder', type=Path, help='folder of a checkpoint or of recordings')
    show.set_defaults(run=_show)
    return parser.parse_args(argv)


def _new(args: argparse.Namespace) -> str:
    if args.out.exists():
        raise ConfigError(f'{args.out}: exists already: name another file with --out')
    task = discover(find_bags(args.bag)) if args.bag else task_of(_listen(args.seconds))
    args.out.write_text(commented(task))
    return (
        f'{describe(task)}\n{args.out}: read it, name the task, set latencies; then\n'
        f'  ros2 run dp_ros task check {args.out}\n'
        f'  ros2 launch dp_ros_bringup record.launch.py task:={args.out}'
    )


def _check(args: argparse.Namespace) -> str:
    task = read_task(args.file)
    if not task.state_names:
        window_spec(task)
    return f'{args.file}: valid\n{describe(task)}'


def _show(args: argparse.Namespace) -> str:
    if (args.folder / 'policy.json').is_file():
        return commented(read_task(args.folder))
    task = recorded_task(find_bags(args.folder))
    if task is None:
        raise ConfigError(f'{args.folder}: its recordings hold no task file')
    return commented(task)


def describe(task: Task) -> str:
    """Describe a task in a few lines."""
    rows = {'joints': ', '.join(task.joint_names)}
    for name, camera in task.cameras.items():
        height, width = camera.size
        topic = task.camera_topics[name]
        rows[f'camera {name}'] = f'{topic}, seen as {width}×{height} px'
    span = (task.n_obs_steps - 1) * task.dt
    rows['observation'] = f'{task.n_obs_steps} frames, {span:g} s of the past'
    rows['chunk'] = (
        f'{task.n_points} actions, {task.n_points * task.dt:g} s; '
        f'{task.n_action_steps} of them followed, {task.n_action_steps * task.dt:g} s'
    )
    return '\n'.join(f'  {key:<14} {value}' for key, value in rows.items())


def _listen(seconds: float) -> Seen:
    """Listen to every topic of a known type for a while."""
    keep_to_this_machine()
    rclpy.init()
    node = Node('task_finder')
    seen, arrivals, known = Seen(), defaultdict[str, list[float]](list), set[str]()

    def take(role: str, topic: str, message: Any) -> None:
        if role == 'states':
            add_joints(seen.states, topic, message)
        else:
            getattr(seen, role).setdefault(topic, message)
        arrivals[topic].append(time.monotonic())

    def search() -> None:
        for topic, types in node.get_topic_names_and_types():
            kind, role = _KINDS.get(types[0], (None, ''))
            if kind is not None and topic not in known:
                known.add(topic)
                callback = partial(take, role, topic)
                node.create_subscription(kind, topic, callback, qos_profile_sensor_data)

    node.create_timer(_SEARCH_PERIOD, search)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(node, timeout_sec=0.05)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    if not known:
        raise ConfigError(f'no topics with joint states or images in {seconds:g} s: are they up?')
    seen.rates = {
        topic: (len(times) - 1) / (times[-1] - times[0])
        for topic, times in arrivals.items()
        if len(times) > 1
    }
    return seen


if __name__ == '__main__':
    sys.exit(main())
