# SPDX-License-Identifier: Apache-2.0
"""Records of a training run: the state to resume from, and its description in checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
import shutil
from typing import Any, Final

from dp_ros.data.datasets.dataset import WindowDataset
from dp_ros.policy.network import PolicyNetwork
from dp_ros.training.config import RunConfig
import torch

STATE: Final = 'state'
RUN: Final = 'run.json'
KEPT: Final = 'steps'
"""Folder of the policies that are kept during training."""


def describe_training(
    network: PolicyNetwork,
    config: RunConfig,
    dataset: WindowDataset,
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the description of the training for a checkpoint.

    :param measured: measurement at the policy's step, as in the run's metrics.
    """
    device = next(network.parameters()).device
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'
    n_threads = torch.get_num_threads()
    return asdict(config.train) | {
        'pad_after': config.pad_after,
        'step': measured['step'],
        'data_digest': dataset.digest,
        'episodes': dataset.n_episodes,
        'windows': len(dataset),
        'parameters': sum(p.numel() for p in network.parameters()),
        'duration_s': round(measured['elapsed_s']),
        'device': f'{name}, {n_threads} thread{"s" if n_threads > 1 else ""}',
        'validation_loss': measured['validation_loss'],
        'action_error': measured['action_error'],
    }


def saved_state(out: Path) -> Path | None:
    """Return the folder of the last complete state in ``out``, or None."""
    # A kill between removing the old state and renaming the new one leaves only the new one.
    for state in (out / STATE, out / f'{STATE}.part'):
        if (state / RUN).is_file():
            return state
    return None


def clear_state(out: Path) -> None:
    """Remove the state to resume from, after the run has ended and its policy is stored."""
    for name in (STATE, f'{STATE}.part'):
        shutil.rmtree(out / name, ignore_errors=True)
