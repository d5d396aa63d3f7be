# SPDX-License-Identifier: Apache-2.0
"""The weights that a training starts from, where these are those of a trained policy."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.network import PolicyNetwork
from dp_ros.task.task import first_difference
from dp_ros.values import ConfigError, require
from torch import Tensor

_GROWN: Final = {
    Unet.name: ('denoiser.down.0.first.first.0.weight', 'denoiser.down.0.first.around.weight'),
    Transformer.name: ('denoiser.actions.weight',),
}
"""Weights of the layers that a sample enters; their second dimension is its channels."""


def start_from(folder: str, network: PolicyNetwork) -> None:
    """Take over the weights and the normalisers of a trained policy.

    The policy may differ in ``max_delay``, and its task in ``n_action_steps``. The channel of the
    prefix, if it had none, starts at weights of zero: the policies answer alike.

    :raises ConfigError: when it cannot be read or is another policy.
    """
    try:
        trained = load_network(Path(folder).expanduser())
    except CheckpointError as error:
        raise ConfigError(f'train.start: {error}') from error
    _check_alike(network, trained)
    weights = trained.state_dict()
    own = network.state_dict()
    for name in _GROWN.get(network.config.denoiser.name, ()):
        if name in own:
            weights[name] = _widened(weights[name], own[name].shape[1])
    network.load_state_dict(weights)


def _check_alike(network: PolicyNetwork, trained: PolicyNetwork) -> None:
    mine, other = network.config, trained.config
    task = replace(other.task, n_action_steps=mine.n_action_steps)
    difference = first_difference(mine.task, task)
    require(difference is None, f'the tasks of the policy and of train.start differ: {difference}')
    for key in (entry.name for entry in fields(mine)):
        here, there = getattr(mine, key), getattr(other, key)
        require(
            key in ('task', 'max_delay') or here == there,
            f'{key} = {here}: train.start has {there}',
        )
    given, known = mine.max_delay, other.max_delay
    require(known == 0 or given > 0, f'max_delay = {given}: train.start has {known}, needs > 0')
    require(
        (given > 0) == (known > 0) or mine.denoiser.name in _GROWN,
        f'max_delay = {given}: train.start has 0, and a denoiser {mine.denoiser.name} cannot grow',
    )


def _widened(weight: Tensor, n_in: int) -> Tensor:
    """Return weights (n_out, n, ...) with zeros for further channels, (n_out, n_in, ...)."""
    wide = weight.new_zeros(len(weight), n_in, *weight.shape[2:])
    wide[:, : weight.shape[1]] = weight
    return wide
