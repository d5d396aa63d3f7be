# SPDX-License-Identifier: Apache-2.0
"""Two ways past an obstacle: paths of (x, y) that go by y = +1 or y = -1, from the same place."""

from dataclasses import replace
import functools

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.engines import make_engine
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import Policy
from dp_ros.task.task import Task
from dp_ros.training.teacher import load_teacher
import numpy as np
import torch

WAYS = PolicyConfig(
    Task(joints=('x', 'y'), horizon=8, n_action_steps=4),
    denoiser=Unet(down_dims=(32,), timestep_dim=16),
)
BOW = 0.975  # How far from the obstacle people passed it, |y|.
SEEN = {'state': np.zeros((2, 2)), 'images': {}}


def paths(n):
    """Draw (n, 8, 2) paths."""
    x, bow = torch.linspace(-1, 1, 8), torch.sin(torch.linspace(0, torch.pi, 8))
    side = torch.randint(2, (n, 1)) * 2 - 1
    return torch.stack([x.expand(n, 8), side * bow], dim=-1)


@functools.cache
def learned(method, steps=250, learning_rate=3e-3, **parts):
    """Train, and return the networks."""
    torch.manual_seed(0)
    config, teacher = load_teacher(replace(WAYS, method=method, **parts))
    method, network = config.method, PolicyNetwork(config)
    auxiliary = method.make_auxiliary(network, teacher)
    modules = [network] if auxiliary is None else [network, auxiliary]
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, learning_rate, betas=method.betas)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps):
        cond = network.condition(torch.zeros(64, 2, 2), {})
        loss = method.loss(network.denoise, paths(64), cond, auxiliary)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def policy(network):
    return Policy(network.config, make_engine('torch', network, 'cpu', 1), network.actions)


def middles(network, n_samples=200, **options):
    """Where sampled paths pass the obstacle, y."""
    actions = policy(network).infer(SEEN, 0, n_samples=n_samples, **options).actions
    return actions[:, 2:4, 1].mean(axis=1)
