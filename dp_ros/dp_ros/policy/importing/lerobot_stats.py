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

_MODES: Final = {
    'MIN_MAX': 'min_max',
    'QUANTILES': 'quantiles',
    'QUANTILE10': 'quantiles10',
    'MEAN_STD': 'mean_std',
    'IDENTITY': 'none',
}
# Statistics that are mapped to -1 and to 1.
_ENDS: Final = {
    'min_max': ('min', 'max'),
    'quantiles': ('q01', 'q99'),
    'quantiles10': ('q10', 'q90'),
}
# Steps of a processor that do not change values.
_HARMLESS: Final = ('rename_observations_processor', 'to_batch_processor', 'device_processor')
# Steps that do so only if their setting `enabled` is true.
_SWITCHED: Final = ('relative_actions_processor', 'absolute_actions_processor')
# Processor before the policy, and after it: its file, and its step that changes values.
_BEFORE: Final = ('policy_preprocessor.json', 'normalizer_processor')
_AFTER: Final = ('policy_postprocessor.json', 'unnormalizer_processor')
_OLD: Final = ('normalize_inputs.buffer_', 'unnormalize_outputs.buffer_')


class Stats:
    """Statistics and modes of features.

    :param values: tensor by `FEATURE.STATISTIC`.
    :param modes: mode of normalisation by kind of feature, such as STATE.
    :param complete: whether a feature needs statistics; else one without any stays as it is.
    """

    def __init__(
        self, values: Mapping[str, Tensor], modes: Mapping[str, str], complete: bool
    ) -> None:
        self._values = {_underscored(name): value for name, value in values.items()}
        self._modes = modes
        self._complete = complete

    def mode(self, kind: str) -> str:
        """Return our name for the mode of a kind of feature.

        :raises SourceError: for a mode that cannot be represented.
        """
        return _MODES[Settings(self._modes, 'normalisation').one_of(kind, _MODES, 'IDENTITY')]

    def bounds(self, key: str, kind: str, size: int) -> tuple[Tensor, Tensor]:
        """Return the values that are mapped to -1 and to 1."""
        mode = self.mode(kind)
        if mode == 'none' or not (self._complete or self._tells_of(key)):
            return -torch.ones(size), torch.ones(size)
        if mode in _ENDS:
            low, high = _ENDS[mode]
            return self._get(key, low, size), self._get(key, high, size)
        mean, std = self._get(key, 'mean', size), self._get(key, 'std', size)
        return mean - std, mean + std

    def largest(self, key: str, kind: str) -> float:
        """Return the largest distance from 0 that the statistics of a feature tell of."""
        if self.mode(kind) == 'none':
            return 0.0
        names = (f'{key}.{name}' for name in ('min', 'max', 'q01', 'q99', 'mean'))
        found = [self._values.get(_underscored(name)) for name in names]
        return max((float(each.abs().max()) for each in found if each is not None), default=0.0)

    def pixels(self, keys: Sequence[str]) -> tuple[list[float], list[float]]:
        """Return mean and standard deviation of the pixels, of all cameras or of each in turn."""
        found = [self._pixels(key) for key in keys]
        if all(each == found[0] for each in found):
            return found[0]
        means, deviations = (
            [v for values in part for v in values] for part in zip(*found, strict=True)
        )
        return means, deviations

    def _pixels(self, key: str) -> tuple[list[float], list[float]]:
        low, high = self.bounds(key, 'VISUAL', 3)
        centre, half = (low + high) / 2, (high - low) / 2
        return centre.tolist(), half.tolist()

    def _tells_of(self, key: str) -> bool:
        return any(name.rpartition('.')[0] == key.replace('.', '_') for name in self._values)

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
        return Stats(_old_values(tensors), modes, complete=True)
    values, modes = _read_processor(folder, *_BEFORE)
    actions, action_modes = _read_processor(folder, *_AFTER)
    values |= {name: value for name, value in actions.items() if name.startswith('action.')}
    modes = modes | {'ACTION': action_modes.get('ACTION', 'IDENTITY')}
    return Stats(values, modes, complete=False)


def _read_processor(
    folder: Path, name: str, wanted: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a processor's statistics and modes."""
    step = _find_step(folder / name, wanted)
    config = Settings(step.take('config'), name)
    chosen = config.take('normalize_observation_keys', None)
    config.need('eps', 1e-8)
    values = read_tensors(folder / Path(str(step.take('state_file'))).name)
    if isinstance(chosen, list):
        kept = {*chosen, 'action'}
        values = {name: each for name, each in values.items() if name.rpartition('.')[0] in kept}
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
        elif name in _SWITCHED:
            Settings(step.take('config', {}), str(name)).need('enabled', False)
        elif name not in _HARMLESS:
            raise SourceError(f'{file.name}: step {name or entry} cannot be represented')
    if found is None:
        raise SourceError(f'{file.name}: has no step {wanted}')
    return found


def _old_values(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return statistics from the weights: `normalize_inputs.buffer_observation_state.min` …."""
    return {name: value for prefix in _OLD for name, value in below(tensors, prefix).items()}
