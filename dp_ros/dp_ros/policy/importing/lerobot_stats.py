# SPDX-License-Identifier: Apache-2.0
"""Normalisation of a LeRobot checkpoint: modes, statistics, and the ranges they give."""

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
# Steps of a processor that do not change values.
_HARMLESS: Final = ('rename_observations_processor', 'to_batch_processor', 'device_processor')
# Processor before the policy, and after it: its file, and its step that changes values.
_BEFORE: Final = ('policy_preprocessor.json', 'normalizer_processor')
_AFTER: Final = ('policy_postprocessor.json', 'unnormalizer_processor')
_OLD: Final = ('normalize_inputs.buffer_', 'unnormalize_outputs.buffer_')


class Stats:
    """Statistics and modes of features.

    :param values: tensor by `FEATURE.STATISTIC`.
    :param modes: mode of normalisation by kind of feature, such as STATE.
    """

    def __init__(self, values: Mapping[str, Tensor], modes: Mapping[str, str]) -> None:
        self._values = {_underscored(name): value for name, value in values.items()}
        self._modes = modes

    def mode(self, kind: str) -> str:
        """Return our name for the mode of a kind of feature.

        :raises SourceError: for a mode that cannot be represented.
        """
        return _MODES[Settings(self._modes, 'normalisation').one_of(kind, _MODES, 'IDENTITY')]

    def bounds(self, key: str, kind: str, size: int) -> tuple[Tensor, Tensor]:
        """Return the values that are mapped to -1 and to 1."""
        mode = self.mode(kind)
        if mode == 'none':
            return -torch.ones(size), torch.ones(size)
        if mode == 'min_max':
            return self._get(key, 'min', size), self._get(key, 'max', size)
        mean, std = self._get(key, 'mean', size), self._get(key, 'std', size)
        return mean - std, mean + std

    def pixels(self, keys: Sequence[str]) -> tuple[list[float], list[float]]:
        """Return mean and standard deviation of the pixels, which all cameras must share.

        :raises SourceError: when cameras are normalised differently.
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
    """Return a statistic's name with underscores for dots, as in old checkpoints."""
    feature, _, statistic = name.rpartition('.')
    return f'{feature.replace(".", "_")}.{statistic}'


def load_stats(folder: Path, tensors: Mapping[str, Tensor], modes: Mapping[str, str]) -> Stats:
    """Read the statistics, from the processors' files or from old checkpoints' weights.

    :param tensors: all weights; ``modes``: modes of the configuration; both for old checkpoints.
    :raises SourceError: naming what is missing, or an unknown step of a processor.
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
    """Return statistics from the weights: `normalize_inputs.buffer_observation_state.min` …."""
    return {name: value for prefix in _OLD for name, value in below(tensors, prefix).items()}
