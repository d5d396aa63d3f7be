# SPDX-License-Identifier: Apache-2.0
"""The model card: how a policy was made, and how well it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
import re
from typing import Any, Final

from dp_ros.task.task import Camera, Task, task_from_dict

_MARK: Final = '\n## Measured\n'
_ACTIONS: Final = {'joint_positions': 'commanded positions of the joints'}


def write_model_card(folder: Path, description: Mapping[str, Any], commands: str) -> None:
    """Write README.md beside the checkpoint.

    :param description: description of the checkpoint; ``commands``: shell commands that made it.
    """
    task, training = task_from_dict(description['task']), description['training']
    steps = training['steps']
    if (step := training.get('step', steps)) != steps:
        steps = f'{step} of {steps}'
    given = description['policy'].get('max_delay', 0)
    told = f'; goes on from up to {given} committed actions' if given else ''
    begun = f', from the weights of `{training["start"]}`' if training.get('start') else ''
    roles = ('method', 'denoiser', *(['encoder'] if task.cameras else []))
    parts = [_part(role, description['policy'][role]) for role in roles]
    text = f"""# {folder.resolve().name}

| | |
|---|---|
| observation | {task.n_obs_steps} frames, {task.dt} s apart: {_seen(task)} |
| action | {_ACTIONS[task.action]}; point k is for the observation time + k·dt{told} |
{chr(10).join(parts)}
| horizon | {task.horizon} steps of {task.dt} s, {task.n_action_steps} followed |
| training data | {training['episodes']} episodes, {training['windows']} windows, \
sha256 `{training['data_digest'][:16]}…` |
| training | {steps} steps of {training['batch_size']} windows{begun}, seed \
{training['seed']}, {training['duration_s'] / 60:.0f} min on {training['device']} |
| validation | mean error of sampled actions {training['action_error']:.3g}, in their unit |
| parameters | {training['parameters'] / 1e6:.2f} M |

## Made by

```console
{commands.strip()}
```

![Loss and error of sampled actions over the steps](training.png)
"""
    (folder / 'README.md').write_text(text)


def _seen(task: Task) -> str:
    """Describe the contents of a frame of the observation."""
    seen = [_image(name, camera) for name, camera in task.cameras.items()]
    states = task.state_names or task.joint_names
    same = states == task.joint_names
    seen.append(f'{len(states)} {"joint positions" if same else _span(states)}')
    if task.joint_latency:
        seen[-1] += f' ({task.joint_latency * 1e3:g} ms old when stamped)'
    if task.observes_commands:
        seen.append(f'{len(task.joint_names)} commanded positions')
    return ', '.join(seen)


def _span(states: Sequence[str]) -> str:
    return f'states, {states[0]} to {states[-1]}'


def _image(name: str, camera: Camera) -> str:
    height, width = camera.size
    crop = f', cut out at {list(camera.crop)}' if camera.crop else ''
    latency = f' ({camera.latency * 1e3:g} ms old when stamped)' if camera.latency else ''
    return f'image {name} {height}×{width} px{crop}{latency}'


def _part(role: str, settings: Mapping[str, Any]) -> str:
    details = [f'{key} {value}' for key, value in settings.items() if key != 'name']
    return f'| {role} | {", ".join([settings["name"], *details])} |'


def add_measurement(folder: Path, command: str, figures: str) -> None:
    """Add the output of an evaluation; replace an older one of the same command."""
    file = folder / 'README.md'
    card = file.read_text() if file.is_file() else f'# {folder.resolve().name}\n'
    head, _, measured = card.partition(_MARK)
    blocks = re.findall('```console\n.*?\n```', measured, re.DOTALL)
    kept = [block for block in blocks if f'$ {command}\n' not in block]
    new = f'```console\n$ {command}\n{figures}\n```'
    file.write_text(
        head.rstrip('\n') + '\n' + '\n\n'.join([_MARK.rstrip('\n'), *kept, new]) + '\n'
    )
