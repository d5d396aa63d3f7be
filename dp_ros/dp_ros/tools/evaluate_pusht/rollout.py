# SPDX-License-Identifier: Apache-2.0
"""A policy on many Push-T tables at once: the episodes that still run form one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dp_ros.arrays import Array
from dp_ros.data.formats.pusht import ACTIONS, CAMERA, check_pusht, observe
from dp_ros.policy.methods.method import Draw, drawn_from
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import chunk_seed
from dp_ros.sim.scenarios.pusht.table import PushTEpisode
import numpy as np
import torch


class BatchPolicy:
    """A policy that makes the chunks of many episodes at once.

    :raises ConfigError: for a policy of another task, or a sampler that it does not have.
    """

    def __init__(self, network: PolicyNetwork, sampler: str, num_inference_steps: int) -> None:
        check_pusht(network.config.task)
        network.config.method.check_sampling(sampler, num_inference_steps)
        self.network = network.eval()
        self._sampler = sampler
        self._num_inference_steps = num_inference_steps

    @torch.no_grad()
    def __call__(self, episodes: Sequence[PushTEpisode]) -> Array:
        """Return the targets (B, Ta, 2) [px] to follow next, in x and y."""
        network, config = self.network, self.network.config
        states = [observe(episode.states, config.observed_names) for episode in episodes]
        images = {}
        if config.camera_names:
            stacks = np.stack([episode.images for episode in episodes])
            images[CAMERA] = torch.from_numpy(stacks).movedim(-1, 2)
        cond = network.condition(torch.from_numpy(np.stack(states)), images)
        chunks = network.sample(
            torch.stack([self._noise(episode) for episode in episodes]),
            cond,
            self._sampler,
            self._num_inference_steps,
            _draw(episodes[0]),
        )
        past = config.n_obs_steps - 1
        targets = chunks[:, past : past + config.n_action_steps]
        order = [config.joint_names.index(name) for name in ACTIONS]
        return targets[..., order].numpy().astype(np.float64)

    def _noise(self, episode: PushTEpisode) -> torch.Tensor:
        shapes = self.network.shapes
        return _draw(episode)(torch.empty(shapes.horizon, shapes.n_in))


def _draw(episode: PushTEpisode) -> Draw:
    """Return the noise of the episode's next chunk, from the episode's seed."""
    return drawn_from(torch.Generator().manual_seed(chunk_seed(episode.seed, episode.steps)))


def run(
    episodes: Sequence[PushTEpisode],
    chunks: Callable[[Sequence[PushTEpisode]], Array],
    report: Callable[[float, int], None],
) -> None:
    """Run all episodes to their ends.

    :param report: function that gets the mean score so far, and the number of ended episodes.
    """
    while running := [episode for episode in episodes if not episode.done]:
        for episode, targets in zip(running, chunks(running), strict=True):
            episode.follow(targets)
        done = sum(episode.done for episode in episodes)
        report(float(np.mean([episode.score for episode in episodes])), done)
