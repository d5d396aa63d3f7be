# SPDX-License-Identifier: Apache-2.0
"""A policy small enough to be made in a test, and observations and data for it."""

from dataclasses import fields, replace

from dp_ros.data.datasets.dataset import WindowDataset
from dp_ros.policy.checkpoint import save_checkpoint
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.encoders.cnn import Cnn
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.network import PolicyNetwork
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.task.task import Camera, Task
from dp_ros.training.teacher import load_teacher
import numpy as np
import torch

TASK_KEYS = {entry.name for entry in fields(Task)}
HOME = np.array([0.0, -0.3, 0.0, -2.2, 0.0, 2.0, 0.785])

CONFIG = PolicyConfig(
    Task(joints=JOINT_NAMES, cameras={'front': Camera((32, 40))}),
    method=Diffusion(num_train_timesteps=20),
    denoiser=Unet(down_dims=(16, 32), timestep_dim=16),
    encoder=Cnn(crop_margin=2, channels=(8, 8, 8), n_keypoints=6),
)


def changed(config=CONFIG, **changes):
    """Return a configuration with other values, those of its task by their names there.

    :param image_sizes: stands for cameras of these sizes.
    """
    if 'image_sizes' in changes:
        sizes = changes.pop('image_sizes')
        changes['cameras'] = {name: Camera(size) for name, size in sizes.items()}
    of_task = {name: changes.pop(name) for name in TASK_KEYS & changes.keys()}
    return replace(config, task=replace(config.task, **of_task), **changes)


def network(seed=0, **changes):
    """Untrained networks whose actions are within 0.2 rad of HOME."""
    torch.manual_seed(seed)
    made = PolicyNetwork(changed(**changes))
    states, actions = (
        torch.tensor(np.resize(HOME, len(names)), dtype=torch.float32)
        for names in (made.config.observed_names, made.config.joint_names)
    )
    made.states.fit(torch.stack([states - 1, states + 1]))
    made.actions.fit(torch.stack([actions - 0.2, actions + 0.2]))
    return made.eval()


def student(policy, seed=1):
    """Return networks that learn from a teacher, as they start, and the auxiliary one."""
    policy, teacher = load_teacher(policy)
    torch.manual_seed(seed)
    made = PolicyNetwork(policy)
    return made, policy.method.make_auxiliary(made, teacher)


def checkpoint(folder, seed=0, **changes):
    save_checkpoint(folder, network(seed, **changes), {'steps': 0})
    return folder


def observation(seed=0, config=CONFIG):
    rng = np.random.default_rng(seed)
    n_obs = config.n_obs_steps
    n_states = len(config.observed_names)
    return {
        'state': np.resize(HOME, n_states) + rng.normal(0, 0.1, (n_obs, n_states)),
        'images': {
            name: rng.integers(0, 256, (n_obs, *size, 3), dtype=np.uint8)
            for name, size in config.image_sizes.items()
        },
    }


def dataset(n_episodes=4, length=12, seed=0, config=CONFIG):
    """Random windows in the data set's layout."""
    generator = torch.Generator().manual_seed(seed)
    n, n_obs, n_joints = n_episodes * length, config.n_obs_steps, len(config.joint_names)
    n_states = len(config.observed_names)
    images = {
        name: torch.randint(0, 256, (n, 3, *size), generator=generator, dtype=torch.uint8)
        for name, size in config.image_sizes.items()
    }
    frames = torch.arange(n)[:, None] - torch.arange(n_obs - 1, -1, -1)
    return WindowDataset(
        state=torch.rand(n, n_obs, n_states, generator=generator),
        actions=torch.rand(n, config.horizon, n_joints, generator=generator),
        images=images,
        image_index={name: frames.clamp(min=0) for name in images},
        episode=np.repeat(np.arange(n_episodes), length),
        digest=f'random-{seed}',
    )
