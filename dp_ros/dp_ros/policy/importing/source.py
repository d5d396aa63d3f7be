# SPDX-License-Identifier: Apache-2.0
"""Common parts of the importers: settings that are read completely, names, ranges."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dp_ros import outside
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.network import PolicyNetwork, check_size
from dp_ros.policy.normalizer import Normalizer
from dp_ros.values import ConfigError, brief, shown
from safetensors import SafetensorError
from safetensors.torch import load_file
import torch
from torch import Tensor

MOST_COUNTED: Final = 10_000
"""Largest number that a source may give, for example of dimensions or steps."""
_REQUIRED: Final = object()
# A range that our normaliser does not treat as constant, if only just.
_NARROW: Final = 1.02e-4
# Most values of our normalisers, which are not among the weights.
_NORMALIZERS: Final = 100_000


class SourceError(ValueError):
    """A policy cannot be imported; the message names the reason in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(brief(message))


@dataclass(frozen=True)
class Names:
    """Values that a source does not hold.

    :param joints: names of the actions' values; empty: they are numbered.
    :param states: names of the state's values, likewise.
    :param dt: time between observations and between actions [s].
    :param unit: unit of the joints, one of `units.UNITS`; empty: not stated.
    """

    joints: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    dt: float = 0.1
    unit: str = ''


@dataclass(frozen=True)
class Imported:
    """A policy of another library.

    :param sampler: sampler that its library uses.
    :param num_inference_steps: number of steps that its library uses.
    :param unused: names of settings of the source that do not change what the policy does.
    """

    network: PolicyNetwork
    sampler: str
    num_inference_steps: int
    unused: tuple[str, ...] = ()


def read_json(file: Path) -> Any:
    """Read a file.

    :raises SourceError: when it is missing or broken.
    """
    try:
        return outside.read_json(file)
    except OSError as error:
        raise SourceError(f'{file}: cannot be read ({error.strerror})') from error
    except outside.OutsideError as error:
        raise SourceError(str(error)) from error


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read a file.

    :raises SourceError: when it is missing or broken.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise SourceError(f'{file}: cannot be read ({error})') from error


class Settings:
    """Settings of a source; `finish` refuses keys that were not read, so none is overlooked."""

    def __init__(self, values: Any, what: str) -> None:
        if not isinstance(values, Mapping):
            raise SourceError(f'{what} = {shown(values)}: needs keys and values')
        self._left, self._what = dict(values), what

    def take(self, key: str, default: Any = _REQUIRED) -> Any:
        """Return a value.

        :raises SourceError: where there is neither a value nor a default.
        """
        value = self._left.pop(key, default)
        if value is _REQUIRED:
            raise SourceError(f'{self._what}.{key}: missing')
        if isinstance(value, str) and '${' in value:
            raise SourceError(f'{self._what}.{key} = {shown(value)}: was stored without its value')
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return a boolean.

        :raises SourceError: for anything but true or false.
        """
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise SourceError(f'{self._what}.{key} = {shown(value)}: needs true or false')
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """Return a positive whole number.

        :param default: number in place of a missing one and of None.
        :raises SourceError: where there is none.
        """
        value = self.take(key, _REQUIRED if default is None else default)
        value = default if value is None else value
        if type(value) is not int or not 1 <= value <= MOST_COUNTED:
            raise SourceError(
                f'{self._what}.{key} = {shown(value)}: needs a positive whole number, at most '
                f'{MOST_COUNTED}'
            )
        return value

    def one_of(self, key: str, known: Collection[str], default: Any = _REQUIRED) -> str:
        """Return a name.

        :raises SourceError: for one that is not known.
        """
        value = self.take(key, default)
        if not isinstance(value, str) or value not in known:
            raise SourceError(
                f'{self._what}.{key} = {shown(value)}: cannot be represented, only '
                f'{", ".join(known)}'
            )
        return value

    def need(self, key: str, needed: Any, default: Any = _REQUIRED) -> None:
        """Check that a setting has the one value that can be represented here.

        :param default: the source's default for a missing key; else the needed value.
        """
        value = self.take(key, needed if default is _REQUIRED else default)
        if type(value) is not type(needed) or value != needed:
            raise SourceError(
                f'{self._what}.{key} = {shown(value)}: cannot be represented, only {needed!r} can'
            )

    def rest(self) -> dict[str, Any]:
        """Return the settings that were not read yet."""
        return self._left

    def finish(self) -> None:
        """Check that all settings were read.

        :raises SourceError: naming those that were not.
        """
        if self._left:
            raise SourceError(f'{self._what}: unknown settings {sorted(map(str, self._left))}')


def numbered(given: Sequence[str], count: int, kind: str) -> tuple[str, ...]:
    """Return the given names, or numbered ones.

    :raises SourceError: when their number is not the policy's.
    """
    names = tuple(given) or tuple(f'{kind}_{index}' for index in range(count))
    if len(names) != count:
        raise SourceError(f'{len(names)} {kind} names {names}: the policy has {count}')
    return names


def read_diffusion(scheduler: Settings, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings of diffusers' DDPM or DDIM scheduler as settings of `Diffusion`.

    :param defaults: the source's defaults for missing keys.
    """
    values = {key: scheduler.take(key, value) for key, value in defaults.items()}
    limit = scheduler.take('clip_sample_range', 1.0)
    if values['clip_sample'] and limit != 1.0:
        raise SourceError(f'clip_sample_range = {limit!r}: cannot be represented, only 1.0 can')
    return {'name': Diffusion.name} | values


def make_network(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> PolicyNetwork:
    """Make the untrained networks of a configuration.

    :param tensors: weights of the source, at least as many as the networks have.
    :raises SourceError: for values that `PolicyConfig` refuses.
    """
    try:
        config = PolicyConfig(**values)
        check_size(config, _NORMALIZERS + sum(value.numel() for value in tensors.values()))
        return PolicyNetwork(config).eval()
    except (ConfigError, TypeError, ValueError, RuntimeError) as error:
        raise SourceError(f'cannot be represented: {error}') from error


def load_module(module: torch.nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Load weights under our names.

    :raises SourceError: naming the first that is missing, unknown or of another shape.
    """
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    wrong = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
    if wrong:
        name, more = wrong[0], f' and {len(wrong) - 1} more' * (len(wrong) > 1)
        raise SourceError(
            f'weights of the {what} do not fit: {name} is {found.get(name, "missing")}, needs '
            f'{wanted.get(name, "to be missing")}{more}'
        )
    module.load_state_dict({name: value.float() for name, value in tensors.items()})


def set_bounds(normalizer: Normalizer, low: Tensor, high: Tensor) -> None:
    """Set the range that is mapped to -1..1.

    :raises SourceError: for another number of dimensions, or values that are not finite.
    """
    if low.shape != normalizer.low.shape or high.shape != normalizer.low.shape:
        raise SourceError(
            f'normaliser of {tuple(low.shape)} values: the policy has {len(normalizer.low)}'
        )
    if not (torch.isfinite(low).all() and torch.isfinite(high).all()):
        raise SourceError('the normaliser holds a value that is not finite')
    if (low > high).any():
        raise SourceError('the normaliser reverses a range, which cannot be represented')
    normalizer.low.copy_(low)
    normalizer.high.copy_(high)


def widen(low: Tensor, high: Tensor, centred: bool) -> tuple[Tensor, Tensor]:
    """Widen the range of constant actions as little as needed to keep their value.

    :param centred: whether the constant value is 0 when normalised; else it is -1.
    """
    width = (torch.maximum(low.abs(), high.abs()) * 1e-5).clamp(min=_NARROW)
    constant = high - low < _NARROW
    begin = low - width / 2 if centred else low
    return torch.where(constant, begin, low), torch.where(constant, begin + width, high)
