# SPDX-License-Identifier: Apache-2.0
"""What the importers share: reading settings to the last key, names, and the ends of ranges."""

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
"""What a source may say that there is of anything, as its dimensions or steps."""
_REQUIRED: Final = object()
# The narrowest range that our normaliser does not take for a constant dimension.
_NARROW: Final = 4e-6
# The most that our normalisers hold beside the weights.
_NORMALIZERS: Final = 100_000


class SourceError(ValueError):
    """A policy cannot be imported; the message names what stands in the way, in a line."""

    def __init__(self, message: str) -> None:
        super().__init__(brief(message))


@dataclass(frozen=True)
class Names:
    """What a source does not know.

    :param joints: what the actions are; numbered where not given. ``states``: likewise.
    :param dt: spacing of observations and of actions [s].
    """

    joints: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    dt: float = 0.1


@dataclass(frozen=True)
class Imported:
    """A policy of another library.

    :param sampler: how its library samples it; ``num_inference_steps``: and in how many steps.
    """

    network: PolicyNetwork
    sampler: str
    num_inference_steps: int


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
    """Settings of a source, read to the last key, so that none is passed over."""

    def __init__(self, values: Any, what: str) -> None:
        if not isinstance(values, Mapping):
            raise SourceError(f'{what} = {shown(values)}: needs keys and values')
        self._left, self._what = dict(values), what

    def take(self, key: str, default: Any = _REQUIRED) -> Any:
        """Return a value.

        :raises SourceError: where there is none, nor a default.
        """
        value = self._left.pop(key, default)
        if value is _REQUIRED:
            raise SourceError(f'{self._what}.{key}: missing')
        if isinstance(value, str) and '${' in value:
            raise SourceError(f'{self._what}.{key} = {shown(value)}: was stored without its value')
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return whether something is so.

        :raises SourceError: for anything but true or false.
        """
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise SourceError(f'{self._what}.{key} = {shown(value)}: needs true or false')
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """Return a positive whole number.

        :param default: what takes the place of a missing one and of None.
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
        """Refuse anything but the one value that can be represented here.

        :param default: what the source means where the key is missing; what is needed, if none.
        """
        value = self.take(key, needed if default is _REQUIRED else default)
        if type(value) is not type(needed) or value != needed:
            raise SourceError(
                f'{self._what}.{key} = {shown(value)}: cannot be represented, only {needed!r} can'
            )

    def rest(self) -> dict[str, Any]:
        """Return what was not read yet."""
        return self._left

    def finish(self) -> None:
        """Refuse what was not read.

        :raises SourceError: naming it.
        """
        if self._left:
            raise SourceError(f'{self._what}: unknown settings {sorted(map(str, self._left))}')


def numbered(given: Sequence[str], count: int, kind: str) -> tuple[str, ...]:
    """Return the names given, or numbered ones.

    :raises SourceError: when there are not as many as the policy has.
    """
    names = tuple(given) or tuple(f'{kind}_{index}' for index in range(count))
    if len(names) != count:
        raise SourceError(f'{len(names)} {kind} names {names}: the policy has {count}')
    return names


def read_diffusion(scheduler: Settings, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings of diffusers' DDPM or DDIM scheduler, as our method's.

    :param defaults: what the source means where a key is missing.
    """
    values = {key: scheduler.take(key, value) for key, value in defaults.items()}
    limit = scheduler.take('clip_sample_range', 1.0)
    if values['clip_sample'] and limit != 1.0:
        raise SourceError(f'clip_sample_range = {limit!r}: cannot be represented, only 1.0 can')
    return {'name': Diffusion.name} | values


def make_network(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> PolicyNetwork:
    """Make the networks of a configuration, untrained.

    :param tensors: what the source holds, at least as many weights as the networks.
    :raises SourceError: for what our configuration refuses.
    """
    try:
        config = PolicyConfig(**values)
        check_size(config, _NORMALIZERS + sum(value.numel() for value in tensors.values()))
        return PolicyNetwork(config).eval()
    except (ConfigError, TypeError, ValueError, RuntimeError) as error:
        raise SourceError(f'cannot be represented: {error}') from error


def load_module(module: torch.nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Load weights under our names.

    :raises SourceError: naming the first that is missing, too many or of another shape.
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
    """Set what is mapped to -1..1.

    :raises SourceError: for another number of dimensions, or values that are not finite.
    """
    if low.shape != normalizer.low.shape or high.shape != normalizer.low.shape:
        raise SourceError(
            f'normaliser of {tuple(low.shape)} values: the policy has {len(normalizer.low)}'
        )
    if not (torch.isfinite(low).all() and torch.isfinite(high).all()):
        raise SourceError('the normaliser holds a value that is not finite')
    if (low > high).any():
        raise SourceError('the normaliser turns a range round, which cannot be represented')
    normalizer.low.copy_(low)
    normalizer.high.copy_(high)


def widen(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Give constant actions the narrowest range, so that they stay what they are."""
    half = (torch.maximum(low.abs(), high.abs()) * 1e-6).clamp(min=_NARROW / 2)
    constant = low == high
    return torch.where(constant, low - half, low), torch.where(constant, high + half, high)
