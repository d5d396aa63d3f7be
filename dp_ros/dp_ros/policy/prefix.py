# SPDX-License-Identifier: Apache-2.0
"""Chunks that begin with committed actions: what the arm will do whatever the policy says.

```
chunk      k=-1   0   1   2 │ 3   4   5   6   7 …
committed         ■   ■   ■ │                        delay = 3
pulled                      │ ▆   ▅   ▄   ▂   ▁      only if guided
```

The denoiser's answer is corrected at every step, so that every sampler of every method ends with
the committed actions. How the others follow them:

* ``trained``: the network is shown them clean, and told by a channel of ones which they are; in
  training their number was drawn at random, and they carried no loss (Black et al. 2025,
  arXiv 2512.05964, "training-time action conditioning").
* ``guided``: any policy; the other actions are moved by the error at the last committed action,
  less from action to action (after Black et al. 2025, arXiv 2506.07339, "real-time chunking").
  There the weights come from a gradient through the network; here they are fixed, for engines
  that hold a compiled network have no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Floats
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.methods.method import Denoise
from dp_ros.policy.normalizer import Normalizer
from dp_ros.robot.joint_names import FARTHEST
from dp_ros.values import ConfigError, require, shown
import numpy as np
import torch
from torch import Tensor

CONDITIONINGS: Final = ('auto', 'none', 'guided', 'trained')
_REACH: Final = 5
"""Number of actions after the committed ones that guidance moves."""


@dataclass(frozen=True)
class Prefix:
    """Committed actions of a batch of chunks, normalised; a batch of one stands for all.

    :param actions: (B, Tp, J) the committed actions, anything elsewhere.
    :param told: (B, Tp, 1) 1 where the network is shown them, 0 elsewhere.
    :param pull: (B, Tp, Tp) share of the error at each action by which each one is corrected.
    """

    actions: Tensor
    told: Tensor
    pull: Tensor

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """The values, in the order of the parameters."""
        return self.actions, self.told, self.pull

    def to(self, device: torch.device | str) -> Prefix:
        """Return it on a device."""
        return Prefix(*(value.to(device) for value in self.tensors))

    def clone(self) -> Prefix:
        """Return a copy."""
        return Prefix(*(value.clone() for value in self.tensors))

    def copy_(self, other: Prefix) -> None:
        """Take over the values of another one of the same shapes."""
        for mine, value in zip(self.tensors, other.tensors, strict=True):
            mine.copy_(value)


def committed(config: PolicyConfig, denoise: Denoise, prefix: Prefix | None) -> Denoise:
    """Return the denoiser of a policy with its answers corrected for the committed actions.

    Without a prefix, and in a policy that was not trained with one, it is the same denoiser.
    """
    method, is_told = config.method, config.max_delay > 0
    if prefix is None and not is_told:
        return denoise

    def corrected(sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        seen = sample
        if is_told:
            seen = _shown(sample, prefix)
        prediction = denoise(seen, timestep, cond)
        if prefix is None:
            return prediction
        error = method.answer(prefix.actions, sample, timestep) - prediction
        return prediction + prefix.pull @ error

    return corrected


def _shown(sample: Tensor, prefix: Prefix | None) -> Tensor:
    """Return the sample (B, Tp, J) with the told actions clean, and the channel that says so."""
    if prefix is None:
        return torch.cat([sample, torch.zeros_like(sample[..., :1])], dim=-1)
    told = prefix.told.expand(len(sample), -1, -1)
    return torch.cat([torch.where(told > 0, prefix.actions, sample), told], dim=-1)


def drawn_prefix(config: PolicyConfig, actions: Tensor) -> Prefix | None:
    """Draw the number of committed actions of demonstrated chunks (B, Tp, J), 0 to max_delay.

    Their loss and its gradient are zero: their prediction is replaced by the right one.
    """
    if config.max_delay == 0:
        return None
    delay = torch.randint(config.max_delay + 1, (len(actions), 1), device=actions.device)
    step = torch.arange(config.horizon, device=actions.device) - (config.n_obs_steps - 1)
    told = ((step >= 0) & (step < delay)).to(actions.dtype)
    return Prefix(actions, told[..., None], torch.diag_embed(told))


def given_prefix(
    config: PolicyConfig, normalizer: Normalizer, actions: Floats, conditioning: str
) -> Prefix | None:
    """Return the prefix of committed actions for all chunks of one observation.

    :param actions: (delay, J) first actions of the chunk [rad]; none: no prefix.
    :param conditioning: ``none``, ``guided``, ``trained``, or ``auto``: trained if the policy
        was, else none.
    :raises ConfigError: for actions that do not fit, or a conditioning that the policy cannot do.
    """
    chosen = choose_conditioning(config, conditioning)
    values = _checked(config, actions, chosen)
    if chosen == 'none' or not len(values):
        return None
    past, delay = config.n_obs_steps - 1, len(values)
    whole = torch.zeros(1, config.horizon, values.shape[1])
    whole[0, past : past + delay] = normalizer(torch.from_numpy(values))
    told = torch.zeros(1, config.horizon, 1)
    told[0, past : past + delay] = 1
    pull = torch.diag_embed(told[..., 0])
    if chosen == 'trained':
        return Prefix(whole, told, pull)
    after = torch.arange(1, config.horizon - past - delay + 1)
    pull[0, past + delay :, past + delay - 1] = (1 - after / (_REACH + 1)).clamp(min=0)
    return Prefix(whole, torch.zeros_like(told), pull)


def choose_conditioning(config: PolicyConfig, conditioning: str) -> str:
    """Return how a policy is conditioned: ``none``, ``guided`` or ``trained``.

    :raises ConfigError: for one that it cannot do.
    """
    if conditioning == 'auto':
        return 'trained' if config.max_delay else 'none'
    require(
        conditioning in CONDITIONINGS,
        f'conditioning = {shown(conditioning)}: needs one of {CONDITIONINGS}',
    )
    require(
        conditioning != 'trained' or config.max_delay > 0,
        "conditioning = 'trained': the policy was trained without committed actions "
        "(policy.max_delay = 0); use 'guided' or 'none'",
    )
    require(
        conditioning in ('none', *config.method.conditionings),
        f"conditioning = 'guided': not for the method {config.method.name}; use 'none' or 'auto'",
    )
    return conditioning


def longest_prefix(config: PolicyConfig, conditioning: str) -> int:
    """Return the largest number of committed actions that a policy can be conditioned on.

    :raises ConfigError: for a conditioning that the policy cannot do.
    """
    most = {'none': 0, 'guided': config.n_points - 1, 'trained': config.max_delay}
    return most[choose_conditioning(config, conditioning)]


def _checked(config: PolicyConfig, actions: Floats, chosen: str) -> Floats:
    values = np.asarray(actions, dtype=np.float32)
    n_joints = len(config.joint_names)
    if values.ndim != 2 or values.shape[1] != n_joints:
        raise ConfigError(
            f'prefix of shape {values.shape}: needs (delay, {n_joints}), one value for each of '
            f'{list(config.joint_names)}'
        )
    for name, column in zip(config.joint_names, values.T, strict=True):
        if not (np.abs(column) < FARTHEST).all():
            raise ConfigError(f'prefix of {name} is {column.tolist()}: needs finite positions')
    most = config.max_delay if chosen == 'trained' else config.n_points - 1
    require(
        len(values) <= most,
        f'prefix of {len(values)} committed actions: needs at most {most}, '
        + (
            'the max_delay that the policy was trained with'
            if chosen == 'trained'
            else f'for one of {config.n_points} has to be left to the policy'
        )
        + '; give fewer, or make the delay shorter',
    )
    return values
