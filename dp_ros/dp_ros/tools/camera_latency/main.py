# SPDX-License-Identifier: Apache-2.0
"""Measure a camera's own latency, from the motion of the arm in its images.

`ros2 run dp_ros camera_latency --task FILE` listens to the cameras and the joint states of a task
while the arm moves to and fro. `--bag DIR` reads recordings instead. The result belongs into the
task file, as the camera's `latency`. Exit status: 0 if every camera's latency was found, else 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
import sys

from dp_ros.data.bags.bag import BagTopics, read_bag
from dp_ros.data.bags.storage import BagError
from dp_ros.data.datasets.dataset import DatasetError, find_bags
from dp_ros.data.datasets.discovery import discover
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.data.inspection.camera_latency import (
    CameraLatency,
    Motion,
    TooLittleMotion,
    estimate,
    joined,
    measure_motion,
)
from dp_ros.data.windows.window import WindowBuilder, WindowSpec, window_spec
from dp_ros.ros.domain import keep_to_this_machine
from dp_ros.task.task import Task
from dp_ros.task.task_file import read_task
from dp_ros.tools.camera_latency.listening import listen
from dp_ros.tools.camera_latency.picture import draw
from dp_ros.values import ConfigError
import numpy as np
from rclpy.utilities import remove_ros_args


def main() -> int:
    """Parse the command line, listen or read, and print each camera's latency."""
    args = _parse(remove_ros_args(sys.argv)[1:])
    try:
        task = _task(args)
        if not task.cameras:
            raise ConfigError('the task has no camera')
        spec = _as_stamped(task)
        builders = _recorded(args.bag, task, spec) if args.bag else [_heard(args, task, spec)]
        found = _report(task, builders, args.task)
    except (BagError, ConfigError, DatasetError, OSError) as error:
        print(f'camera_latency: {error}', file=sys.stderr)
        return 1
    if args.plot and found:
        draw(found, args.plot)
    return 0 if len(found) == len(task.cameras) else 1


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros camera_latency', description=__doc__)
    parser.add_argument(
        '--task',
        type=Path,
        help='task file with the cameras and topics (default with --bag: that of the recordings)',
    )
    parser.add_argument('--bag', type=Path, help='a recording, or a folder of recordings')
    parser.add_argument(
        '--seconds',
        type=float,
        default=20.0,
        help='time to listen to the topics [s] (default: %(default)s)',
    )
    parser.add_argument('--plot', type=Path, help='file for a picture (PNG)')
    args = parser.parse_args(argv)
    if args.bag is None and args.task is None:
        parser.error('needs --task FILE to listen, or --bag DIR')
    if not args.seconds > 0.0:
        parser.error(f'--seconds {args.seconds}: needs to be positive')
    if args.plot is not None and not args.plot.parent.is_dir():
        parser.error(f'{args.plot}: there is no such folder')
    return args


def _task(args: argparse.Namespace) -> Task:
    if args.task:
        return read_task(args.task)
    bags = find_bags(args.bag)
    return recorded_task(bags) or discover(bags)


def _as_stamped(task: Task) -> WindowSpec:
    """Return how to read the streams: images when they are stamped, whatever their latency."""
    cameras = {name: replace(camera, latency=0.0) for name, camera in task.cameras.items()}
    return window_spec(replace(task, cameras=cameras))


def _recorded(folder: Path, task: Task, spec: WindowSpec) -> Iterable[WindowBuilder]:
    for bag in find_bags(folder):
        yield read_bag(bag, spec, BagTopics.of(task)).builder


def _heard(args: argparse.Namespace, task: Task, spec: WindowSpec) -> WindowBuilder:
    keep_to_this_machine()
    print(f'listening for {args.seconds:g} s: move the arm to and fro in the picture', flush=True)
    return listen(task, WindowBuilder(spec), args.seconds)


def _report(
    task: Task, builders: Iterable[WindowBuilder], file: Path | None
) -> dict[str, CameraLatency]:
    """Print what was found of each camera, and return it."""
    motions: dict[str, list[Motion]] = {name: [] for name in task.cameras}
    for builder in builders:  # One recording after the other: images take much memory.
        for name, parts in motions.items():
            parts.append(_motion(builder, name))
    found = {}
    for name, parts in motions.items():
        try:
            found[name] = estimate(joined(parts))
            print(_told(name, found[name], task.cameras[name].latency, file))
        except TooLittleMotion as reason:
            print(f'camera {name}: {reason}', file=sys.stderr)
    return found


def _motion(builder: WindowBuilder, camera: str) -> Motion:
    images, joints = builder.images[camera], builder.joints
    stamps = np.array(images.stamps, dtype=np.int64)
    joint_stamps = np.array(joints.stamps, dtype=np.int64)
    return measure_motion(stamps, images.samples, joint_stamps, np.array(joints.samples))


def _told(name: str, found: CameraLatency, given: float, file: Path | None) -> str:
    text = (
        f'camera {name}: latency {found.latency:.3f} s, 95 % interval {found.low:.3f} to '
        f'{found.high:.3f}; correlation {found.correlation:.2f}, '
        f'{len(found.motion.times)} pairs of images\n'
    )
    where = file or 'the task file'
    if found.low <= given <= found.high:
        return f'{text}  the {given:g} s in {where} agree with it'
    if found.high < 0:
        return (
            f'{text}  its stamps are earlier than those of the joint states: synchronize their '
            f'clocks, or raise joint_latency in {where} by {-found.latency:.3f}'
        )
    latency = max(0.0, found.latency)
    return f'{text}  write into {where} (now {given:g}), cameras.{name}:  latency: {latency:.3f}'


if __name__ == '__main__':
    sys.exit(main())
