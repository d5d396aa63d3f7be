# SPDX-License-Identifier: Apache-2.0
"""Check a folder of rosbag2 recordings before training on it.

`ros2 run dp_ros inspect DIR --config FILE --out DIR`

Reads the recordings as training with the same configuration does. Without `--config` it takes the
task that the recordings hold, or else the joints, cameras and topics of the first recording, and
prints them. Exit status: 0 for OK, 3 for `look at these`, 1 for `not trainable`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
from pathlib import Path
import sys
from typing import Final

from dp_ros.data.bags.bag import BagTopics
from dp_ros.data.datasets.dataset import DatasetError, find_bags
from dp_ros.data.datasets.discovery import discover
from dp_ros.data.datasets.recorded_task import recorded_task
from dp_ros.data.formats.pusht import is_pusht
from dp_ros.data.inspection.episode import inspect_bags
from dp_ros.data.inspection.episode_checks import check_episode
from dp_ros.data.inspection.figures import EpisodeFigures
from dp_ros.data.inspection.findings import Finding, Verdict, judge
from dp_ros.data.inspection.set_checks import check_set
from dp_ros.data.windows.window import window_spec
from dp_ros.task.task import task_to_dict
from dp_ros.task.task_file import task_text
from dp_ros.tools.common.progress import make_progress
from dp_ros.tools.inspect_recordings.pictures import draw_episode, draw_overview
from dp_ros.tools.inspect_recordings.report import print_report
from dp_ros.training.config import RunConfig
from dp_ros.training.config_file import action_spec, parse_config, read_config
from dp_ros.values import ConfigError
from rich.console import Console

_STATUS: Final = {Verdict.OK: 0, Verdict.LOOK: 3, Verdict.NOT_TRAINABLE: 1}


def main() -> int:
    """Parse the command line, measure, draw, and give the verdict."""
    args = _parse(sys.argv[1:])
    console = Console()
    try:
        return _STATUS[_run(args, console)]
    except (ConfigError, DatasetError, OSError) as error:
        console.print(f'inspect: {error}', style='red', markup=False, soft_wrap=True)
        return _STATUS[Verdict.NOT_TRAINABLE]
    except KeyboardInterrupt:
        return 130


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros inspect', description=__doc__)
    parser.add_argument('data', type=Path, metavar='DIR', help='folder of rosbag2 recordings')
    parser.add_argument('--config', type=Path, help='training configuration (YAML)')
    parser.add_argument('--out', type=Path, help='folder for pictures and summary.json')
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='SECTION.KEY=VALUE',
        help='change a value of the configuration, such as train.actions=measured; repeatable',
    )
    return parser.parse_args(argv)


def _run(args: argparse.Namespace, console: Console) -> Verdict:
    if is_pusht(args.data):
        raise DatasetError(f'{args.data}: demonstrations of Push-T, not recordings: just train')
    bags = find_bags(args.data)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    run = _configure(args, bags, console)
    episodes, findings = _inspect(args, bags, run, console)
    findings += check_set(episodes)
    verdict = judge(findings)
    if args.out:
        draw_overview(episodes, findings, args.out / 'overview.png')
        _write(args.out / 'summary.json', episodes, findings, verdict)
    print_report(episodes, findings, verdict, console)
    return verdict


def _configure(args: argparse.Namespace, bags: Sequence[Path], console: Console) -> RunConfig:
    recorded = recorded_task(bags)
    if args.config:
        return read_config(args.config, args.set, recorded)
    task = recorded or discover(bags)
    if recorded is None:
        console.print('no --config, no task in the recordings: using the topics of the first one')
        console.print(task_text(task), markup=False)
    return parse_config({'task': task_to_dict(task)}, args.set)


def _inspect(
    args: argparse.Namespace,
    bags: Sequence[Path],
    run: RunConfig,
    console: Console,
) -> tuple[list[EpisodeFigures], list[Finding]]:
    """Measure and draw bag after bag."""
    spec, actions = window_spec(run.policy.task), action_spec(run)
    topics = BagTopics.of(run.policy.task, run.train.actions)
    episodes, findings = [], []
    with make_progress(console) as progress:
        tracked = progress.track(bags, description='reading bags')
        for episode, recording in inspect_bags(args.data, tracked, spec, topics, actions):
            found = list(check_episode(episode, spec))
            if args.out and recording:
                draw_episode(recording, episode, found, picture(args.out, episode))
            episodes.append(episode)
            findings += found
    return episodes, findings


def picture(folder: Path, episode: EpisodeFigures) -> Path:
    """Return the path of an episode's picture."""
    return folder / f'{episode.name.replace("/", "_")}.png'


def _write(
    file: Path,
    episodes: Sequence[EpisodeFigures],
    findings: Sequence[Finding],
    verdict: Verdict,
) -> None:
    content = {
        'verdict': verdict.value,
        'windows': sum(episode.windows for episode in episodes),
        'findings': [asdict(finding) for finding in findings],
        'episodes': [episode.summary() for episode in episodes],
    }
    file.write_text(json.dumps(content, indent=1))


if __name__ == '__main__':
    sys.exit(main())
