# SPDX-License-Identifier: Apache-2.0
"""Print the reference of the training configuration as Markdown.

`ros2 run dp_ros settings`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
import inspect
import sys
from typing import Any

from dp_ros.policy.component import Component
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers import DENOISERS
from dp_ros.policy.encoders import ENCODERS
from dp_ros.policy.methods import METHODS
from dp_ros.task.task import Camera, Task, Topics
from dp_ros.training.config import TrainConfig

HEAD = """# Training configurations

Printed from the code by `ros2 run dp_ros settings`.

A configuration has the sections `task`, `policy` and `train`; `--set SECTION.KEY=VALUE` changes
a value on the command line. `task` is the name of a task file, beside the configuration, or its
keys; without it the task is the one that the recordings hold.

Three keys of `policy` choose a part by its name and give it its settings, as
`method: {name: flow_matching, time_sampling: beta}`, or take it as it is, as
`method: regression`.
"""


def main() -> int:
    """Print the reference."""
    print('\n'.join(page()), end='')
    return 0


def page() -> Iterator[str]:
    """Yield the lines of the reference."""
    yield HEAD
    yield from section('`task`', Task)
    yield from section('`task.cameras`: each', Camera)
    yield from section('`task.topics`', Topics)
    yield from section('`policy`', PolicyConfig)
    parts: Mapping[str, Mapping[str, type[Component]]] = {
        'method': METHODS,
        'denoiser': DENOISERS,
        'encoder': ENCODERS,
    }
    for role, kinds in parts.items():
        for name, kind in kinds.items():
            yield from section(f'`policy.{role}`: {name}', kind)
    yield from section('`train`', TrainConfig)


def section(title: str, kind: type[Any]) -> Iterator[str]:
    """Yield the section of one part: its description, its keys, and their meaning."""
    own = inspect.cleandoc(kind.__doc__ or '')
    summary, _, notes = own.partition(':param ')
    if issubclass(kind, Component) and kind is not TrainConfig:  # Its module describes the part.
        summary = inspect.cleandoc(sys.modules[kind.__module__].__doc__ or '').partition('\n\n')[0]
    yield f'## {title}\n'
    yield f'{summary.strip()}\n'
    samplers = getattr(kind, 'samplers', ())
    if samplers:
        yield f'Samplers: {", ".join(f"`{name}`" for name in samplers)}.\n'
    entries = [entry for entry in fields(kind) if entry.init and entry.type != 'Task']
    if entries:
        yield '| key | default | one of |'
        yield '| --- | --- | --- |'
        choices = getattr(kind, 'choices', {})
        for entry in entries:
            allowed = ', '.join(f'`{value}`' for value in choices.get(entry.name, ()))
            yield f'| `{entry.name}` | {_default(entry)} | {allowed} |'
        yield ''
    if notes:
        known = {entry.name for entry in entries}
        yield from (f'* `{name}`:{words}' for name, words in _notes(notes) if name in known)
        yield ''


def _default(entry: Any) -> str:
    if entry.default_factory is not MISSING:
        value = entry.default_factory()
        return f'`{value.name}`' if isinstance(value, Component) else f'`{value}`'
    return 'needed' if entry.default is MISSING else f'`{entry.default!r}`'


def _notes(text: str) -> Iterator[tuple[str, str]]:
    """Yield each parameter with its description in the docstring, as one line."""
    for note in text.split(':param '):
        name, _, words = ' '.join(note.split()).partition(':')
        yield name, words.replace('``', '`')


if __name__ == '__main__':
    sys.exit(main())
