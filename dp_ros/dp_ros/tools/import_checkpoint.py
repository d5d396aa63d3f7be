# SPDX-License-Identifier: Apache-2.0
"""Convert a policy of LeRobot, of Diffusion Policy's own code, or of dp_ros 0.1 to a checkpoint.

`ros2 run dp_ros import_checkpoint SOURCE --out DIR`; SOURCE is LeRobot's folder with its
`config.json`, a `.ckpt` of Diffusion Policy, or the folder of a dp_ros 0.1 checkpoint. No code in
it is run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import hashlib
from pathlib import Path
import sys

from dp_ros.policy.checkpoint import save_checkpoint
from dp_ros.policy.importing import diffusion_policy, format_1, lerobot
from dp_ros.policy.importing.lerobot_dataset import dataset_names
from dp_ros.policy.importing.source import Imported, Names, SourceError
from dp_ros.policy.importing.units import UNITS
from dp_ros.task.task_file import read_task
from dp_ros.values import ConfigError, brief


def main() -> int:
    """Parse the command line, convert, and print how the source samples its policy."""
    args = _parse(sys.argv[1:])
    if format_1.is_format_1(args.source):
        return _renew(args.source, args.out, args.task)
    if args.task is not None:
        print(
            f'import_checkpoint: --task is for policies of dp_ros 0.1, {args.source} is none: '
            'leave it out',
            file=sys.stderr,
        )
        return 1
    try:
        found = read(args.source, _names(args))
        _store(args.out, found, args.source)
    except (SourceError, OSError) as error:
        print(f'import_checkpoint: {brief(str(error))}', file=sys.stderr)
        return 1
    print(_described(args.out, found))
    return 0


def _names(args: argparse.Namespace) -> Names:
    """Return names, time and unit as given, or else as the data set tells."""
    told = dataset_names(args.dataset) if args.dataset else Names()
    return Names(
        tuple(args.joint_names) or told.joints,
        tuple(args.state_names) or told.states,
        told.dt if args.dt is None else args.dt,
        args.unit,
    )


def _described(out: Path, found: Imported) -> str:
    """Say what was imported, what of it is not used, and how to run it."""
    lines = [f'checkpoint: {out}']
    if found.unused:
        lines.append(f'settings without effect on a trained policy: {", ".join(found.unused)}')
    lines += [
        f'its library samples it by {found.sampler} in {found.num_inference_steps} steps',
        'see joints, units, cameras and topics of its task:',
        f'  ros2 run dp_ros task show {out}',
        'then run it, sampled alike, with the cameras and the joints of your arm on these topics:',
        f'  ros2 launch dp_ros_bringup bringup.launch.py policy:={out}',
        f'  ros2 param set /policy sampler.name {found.sampler}',
        f'  ros2 param set /policy sampler.num_inference_steps {found.num_inference_steps}',
    ]
    return '\n'.join(lines)


def _renew(source: Path, out: Path, task: Path | None) -> int:
    try:
        _check_free(out)
        format_1.renew(source, out, None if task is None else read_task(task))
    except (SourceError, ConfigError, OSError) as error:
        print(f'import_checkpoint: {brief(str(error))}', file=sys.stderr)
        return 1
    print(f'checkpoint: {out}\nits task: {out}/policy.json, section task')
    return 0


def read(source: Path, names: Names) -> Imported:
    """Read a folder of LeRobot or a `.ckpt` of Diffusion Policy.

    :raises SourceError: naming what cannot be read or represented.
    """
    return (lerobot if source.is_dir() else diffusion_policy).load(source, names)


def _store(out: Path, found: Imported, source: Path) -> None:
    """Write the checkpoint, with its origin.

    :raises SourceError: when the folder holds a checkpoint already.
    """
    _check_free(out)
    file = source / 'model.safetensors' if source.is_dir() else source
    record = {
        'imported_from': source.name,
        'sha256': hashlib.sha256(file.read_bytes()).hexdigest(),
        'sampler': found.sampler,
        'num_inference_steps': found.num_inference_steps,
    }
    save_checkpoint(out, found.network, record)


def _check_free(out: Path) -> None:
    if any(out.glob('policy.*')):
        raise SourceError(f'{out}: holds a policy already; name another folder')


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros import_checkpoint', description=__doc__)
    parser.add_argument(
        'source', type=Path, help='folder of LeRobot or dp_ros 0.1, or a .ckpt file'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for the new checkpoint')
    parser.add_argument(
        '--joint-names',
        nargs='+',
        default=[],
        help='names of the actions, in order (default: joint_0 …)',
    )
    parser.add_argument(
        '--state-names',
        nargs='+',
        default=[],
        help='names of the state values, in order (default: state_0 …)',
    )
    parser.add_argument(
        '--dt',
        type=float,
        help='time between two actions [s] (default: that of --dataset, or 0.1)',
    )
    parser.add_argument(
        '--dataset',
        type=Path,
        help="folder of LeRobot's data set: its meta/info.json names the joints, in order, and "
        'gives the time between two actions',
    )
    parser.add_argument(
        '--unit',
        choices=UNITS,
        default='',
        help='unit of the joints; degrees become radians, except of grippers (default: radians, '
        'refused where that is unlikely)',
    )
    parser.add_argument(
        '--task',
        type=Path,
        help='task file of a policy of dp_ros 0.1, for its name, topics and latencies; default: '
        'no name, default topics, no latencies',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    sys.exit(main())
