# SPDX-License-Identifier: Apache-2.0
"""How a LeRobot checkpoint normalises: modes, statistics, and the ranges that they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dp_ros.policy.importing.source import Settings, SourceError, read_json, read_tensors
from dp_ros.policy.importing.weights import below
from dp_ros.values import shown
import torch
from torch import Tensor

_MODES: Final = {'MIN_MAX': 'min_max', 'MEAN_STD': 'mean_std', 'IDENTITY': 'none'}
# What the steps of a processor do to values, beside normalising: nothing.
_HARMLESS: Final = ('rename_observations_processor', 'to_batch_processor', 'device_processor')
# What is asked before the policy, and after it: a file, and its step that changes values.
_BEFORE: Final = ('policy_preprocessor.json', 'normalizer_processor')
_AFTER: Final = ('policy_postprocessor.json', 'unnormalizer_processor')
_OLD: Final = ('normalize_inputs.buffer_', 'unnormalize_outputs.buffer_')


class Stats:
    """Statistics and modes of features.

    :param values: `FEATURE.STATISTIC` → tensor.
    :param modes: kind of feature, as STATE → how it is normalised.
    """

    def __init__(self, values: Mapping[str, Tensor], modes: Mapping[str, str]) -> None:
        self._values = {_underscored(name): value for name, value in values.items()}
        self._modes = modes

    def mode(self, kind: str) -> str:
        """Return our name of a kind's mode.

        :raises SourceError: for one that we do not have.
        """
        return _MODES[Settings(self._modes, 'normalisation').one_of(kind, _MODES, 'IDENTITY')]

    def bounds(self, key: str, kind: str, size: int) -> tuple[Tensor, Tensor]:
        """Return what is mapped to -1 and to 1."""
        mode = self.mode(kind)
        if mode == 'none':
            return -torch.ones(size), torch.ones(size)
        if mode == 'min_max':
            return self._get(key, 'min', size), self._get(key, 'max', size)
        mean, std = self._get(key, 'mean', size), self._get(key, 'std', size)
        return mean - std, mean + std

    def pixels(self, keys: Sequence[str]) -> tuple[list[float], list[float]]:
        """Return mean and deviation of the pixels, if all cameras have the same.

        :raises SourceError: if they have not.
        """
        found = [self._pixels(key) for key in keys]
        if any(each != found[0] for each in found):
            raise SourceError(f'{", ".join(keys)}: normalised differently, cannot be represented')
        return found[0]

    def _pixels(self, key: str) -> tuple[list[float], list[float]]:
        low, high = self.bounds(key, 'VISUAL', 3)
        centre, half = (low + high) / 2, (high - low) / 2
        return centre.tolist(), half.tolist()

    def _get(self, key: str, statistic: str, size: int) -> Tensor:
        value = self._values.get(_underscored(f'{key}.{statistic}'))
        if value is None:
            raise SourceError(f'{key}.{statistic}: no such statistic in the checkpoint')
        if value.numel() != size:
            raise SourceError(f'{key}.{statistic}: {value.numel()} values, the feature has {size}')
        return value.double().flatten()


def _underscored(name: str) -> str:
    """Return a statistic's name with its feature's dots replaced, as old checkpoints have it."""
    feature, _, statistic = name.rpartition('.')
    return f'{feature.replace(".", "_")}.{statistic}'


def load_stats(folder: Path, tensors: Mapping[str, Tensor], modes: Mapping[str, str]) -> Stats:
    """Read the statistics, from the processors' files if there are any.

    :param tensors: all weights; ``modes``: the configuration's, as old checkpoints have them.
    :raises SourceError: naming what is missing, or a step of a processor that is unknown.
    """
    if not (folder / _BEFORE[0]).exists():
        return Stats(_old_values(tensors), modes)
    values, modes = _read_processor(folder, *_BEFORE)
    actions, action_modes = _read_processor(folder, *_AFTER)
    values |= {name: value for name, value in actions.items() if name.startswith('action.')}
    return Stats(values, modes | {'ACTION': action_modes.get('ACTION', 'IDENTITY')})


def _read_processor(
    folder: Path, name: str, wanted: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a processor's statistics and modes."""
    step = _find_step(folder / name, wanted)
    config = Settings(step.take('config'), name)
    config.need('normalize_observation_keys', None)
    config.need('eps', 1e-8)
    values = read_tensors(folder / Path(str(step.take('state_file'))).name)
    return values, Settings(config.take('norm_map'), 'norm_map').rest()


def _find_step(file: Path, wanted: str) -> Settings:
    """Return the one step of a processor that changes values."""
    found = None
    steps = Settings(read_json(file), file.name).take('steps')
    if not isinstance(steps, list):
        raise SourceError(f'{file.name}.steps = {shown(steps)}: needs a list')
    for entry in steps:
        step = Settings(entry, file.name)
        name = step.take('registry_name', None)
        if name == wanted:
            found = step
        elif name not in _HARMLESS:
            raise SourceError(f'{file.name}: step {name or entry} cannot be represented')
    if found is None:
        raise SourceError(f'{file.name}: has no step {wanted}')
    return found


def _old_values(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what is among the weights, as `normalize_inputs.buffer_observation_state.min`."""
    return {name: value for prefix in _OLD for name, value in below(tensors, prefix).items()}
