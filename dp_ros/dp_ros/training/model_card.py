# SPDX-License-Identifier: Apache-2.0
"""The model card: how a policy was made and what it was measured to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import re
from typing import Any, Final

_MARK: Final = '\n## Measured\n'


def write_model_card(folder: Path, description: Mapping[str, Any], commands: str) -> None:
    """Write README.md beside the checkpoint.

    :param description: the checkpoint's; ``commands``: the shell commands that made it.
    """
    config, training = description['policy'], description['training']
    steps = training['steps']
    if (step := training.get('step', steps)) != steps:
        steps = f'{step} of {steps}'
    roles = ('method', 'denoiser', *(['encoder'] if config['image_sizes'] else []))
    parts = [_part(role, config[role]) for role in roles]
    text = f"""# {folder.resolve().name}

| | |
|---|---|
| observation | {config['n_obs_steps']} frames, {config['dt']} s apart: {_seen(config)} |
| action | {description['action']} |
{chr(10).join(parts)}
| horizon | {config['horizon']} steps of {config['dt']} s, {config['n_action_steps']} followed |
| training data | {training['episodes']} episodes, {training['windows']} windows, \
sha256 `{training['data_digest'][:16]}…` |
| training | {steps} steps of {training['batch_size']} windows, seed \
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


def _seen(config: Mapping[str, Any]) -> str:
    """Say what a frame of the observation holds."""
    images = [f'image {name} {h}×{w} px' for name, (h, w) in config['image_sizes'].items()]
    states = config['state_names']
    same = states == config['joint_names']
    kind = 'joint positions' if same else f'states, {states[0]} to {states[-1]}'
    return ', '.join([*images, f'{len(states)} {kind}'])


def _part(role: str, settings: Mapping[str, Any]) -> str:
    details = [f'{key} {value}' for key, value in settings.items() if key != 'name']
    return f'| {role} | {", ".join([settings["name"], *details])} |'


def add_measurement(folder: Path, command: str, figures: str) -> None:
    """Append what an evaluation printed, replacing what the same command printed before."""
    file = folder / 'README.md'
    card = file.read_text() if file.is_file() else f'# {folder.resolve().name}\n'
    head, _, measured = card.partition(_MARK)
    blocks = re.findall('```console\n.*?\n```', measured, re.DOTALL)
    kept = [block for block in blocks if f'$ {command}\n' not in block]
    new = f'```console\n$ {command}\n{figures}\n```'
    file.write_text(
        head.rstrip('\n') + '\n' + '\n\n'.join([_MARK.rstrip('\n'), *kept, new]) + '\n'
    )
