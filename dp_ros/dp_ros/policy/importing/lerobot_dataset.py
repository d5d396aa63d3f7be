# SPDX-License-Identifier: Apache-2.0
"""What a LeRobot data set (v2.1 or v3.0) tells of a policy: joints, in order, and their rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from dp_ros.policy.importing.source import Names, Settings, SourceError, read_json
from dp_ros.values import shown

_INFO: Final = 'meta/info.json'


def dataset_names(folder: Path) -> Names:
    """Read the names of actions and states, and the time between two of them.

    :raises SourceError: for a folder without them.
    """
    info = Settings(read_json(folder / _INFO), _INFO)
    features = Settings(info.take('features'), 'features')
    rate = info.take('fps')
    if not isinstance(rate, int | float) or not 0 < rate < 1e4:
        raise SourceError(f'{_INFO}: fps = {shown(rate)}: needs frames per second')
    joints, states = (_names(features, key) for key in ('action', 'observation.state'))
    return Names(joints, states, 1 / rate)


def _names(features: Settings, key: str) -> tuple[str, ...]:
    """Return the names of a feature's values; older versions have them under a name of theirs."""
    names: Any = Settings(features.take(key, {}), key).take('names', None)
    if isinstance(names, dict) and len(names) == 1:
        (names,) = names.values()
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SourceError(f'features.{key}.names = {shown(names)}: needs a list of names')
    return tuple(names)
