# SPDX-License-Identifier: Apache-2.0
"""The networks that are trained, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dp_ros.data.datasets.dataset import Batch, DatasetError, WindowDataset
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.prefix import committed, drawn_prefix
from torch import Tensor, nn


class TrainingStep(nn.Module):
    """The loss of a batch as one module, so that accelerate can spread it over devices.

    :param teacher: network of the policy that a distillation learns from.
    """

    def __init__(self, network: PolicyNetwork, teacher: PolicyNetwork | None = None) -> None:
        super().__init__()
        self.network = network
        self.auxiliary = network.config.method.make_auxiliary(network, teacher)

    def forward(self, batch: Batch, augment: bool = True) -> Tensor:
        """Return the loss of a batch, by the network's method."""
        network = self.network
        cond = network.condition(batch.state, batch.images, augment)
        actions = network.actions(batch.actions)
        config = network.config
        denoise = committed(config, network.denoise, drawn_prefix(config, actions))
        return config.method.loss(denoise, actions, cond, self.auxiliary)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, without dropout, while the block runs.

    Parts that were in evaluation mode before, like a teacher, stay in it afterwards.
    """
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def make_network(dataset: WindowDataset, policy: PolicyConfig) -> PolicyNetwork:
    """Make the networks: fit normalisers to the data, load pretrained weights if named.

    :raises DatasetError: when the windows do not have the policy's shapes.
    """
    _check_data(dataset, policy)
    network = PolicyNetwork(policy)
    network.states.fit(dataset.state.flatten(0, 1), policy.state_modes)
    network.actions.fit(dataset.actions.flatten(0, 1), policy.action_modes)
    network.load_pretrained()
    return network


def _check_data(dataset: WindowDataset, policy: PolicyConfig) -> None:
    """Check that windows have the policy's shapes."""
    expected = {
        'state': (policy.n_obs_steps, len(policy.observed_names)),
        'actions': (policy.horizon, len(policy.joint_names)),
    } | {f'images of {name!r}': (3, *size) for name, size in policy.image_sizes.items()}
    found = dataset.shapes
    for name, shape in expected.items():
        if found.get(name) != shape:
            raise DatasetError(f'{name} of a window: {found.get(name)} in the data: needs {shape}')
