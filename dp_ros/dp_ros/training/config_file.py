# SPDX-License-Identifier: Apache-2.0
"""Training configurations: the file's sections `policy`, `train` and `topics`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dp_ros.data.bags.bag import BagTopics
from dp_ros.data.windows.window import ActionSpec, WindowSpec
from dp_ros.outside import OutsideError, parse_yaml, read_yaml
from dp_ros.policy.component import brief, make_value, shown
from dp_ros.policy.config import ConfigError, PolicyConfig
from dp_ros.training.config import RunConfig, parse_run


def read_config(file: Path, changes: Sequence[str] = ()) -> tuple[RunConfig, BagTopics]:
    """Read a training configuration, with values changed as `SECTION.KEY=VALUE`.

    :raises ConfigError: when it cannot be read or contradicts itself.
    """
    try:
        values = read_yaml(file)
    except OSError as error:
        raise ConfigError(f'{file}: cannot be read ({error.strerror})') from error
    except OutsideError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(values, dict):
        raise ConfigError(f'{file}: needs the sections policy, train and topics')
    return parse_config(values, changes)


def parse_config(
    values: dict[str, Any], changes: Sequence[str] = ()
) -> tuple[RunConfig, BagTopics]:
    """Make a training configuration of a file's sections, as `read_config` does."""
    for change in changes:
        _change(values, change)
    topics = _topics(values.pop('topics', None) or {})
    return parse_run(values), topics


def window_spec(config: PolicyConfig) -> WindowSpec:
    """Return what the windows of a policy hold.

    :raises ConfigError: for a policy that moves other joints than it sees.
    """
    if config.state_names != config.joint_names:
        raise ConfigError(
            f'state_names = {config.state_names}: of recordings a policy sees the joints that it '
            'moves: leave state_names out'
        )
    return WindowSpec(
        joint_names=config.state_names,
        past_actions=config.past_actions,
        image_sizes=config.image_sizes,
        dt_ns=round(config.dt * 1e9),
        n_obs_steps=config.n_obs_steps,
    )


def action_spec(run: RunConfig) -> ActionSpec:
    """Return which actions go with the windows of a policy in training."""
    return ActionSpec(run.policy.n_obs_steps, run.policy.horizon, run.pad_after)


def _change(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition('=')
    *sections, key = path.split('.')
    if not equals or not sections:
        raise ConfigError(f'--set {change}: needs SECTION.KEY=VALUE')
    for section in sections:
        inner = values.get(section) or {}
        named = {'name': inner} if isinstance(inner, str) else inner
        if not isinstance(named, Mapping):
            raise ConfigError(f'--set {change}: {section} = {shown(inner)} holds no keys')
        values[section] = values = dict(named)
    try:
        values[key] = parse_yaml(text, f'--set {brief(change)}')
    except OutsideError as error:
        raise ConfigError(str(error)) from error


def _topics(values: Any) -> BagTopics:
    topics: BagTopics = make_value(BagTopics, values, 'topics')
    return topics
