# SPDX-License-Identifier: Apache-2.0
"""The teacher of a distillation, loaded once, when training starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.methods.consistency import Consistency
from dp_ros.policy.network import PolicyNetwork
from dp_ros.values import ConfigError, require


def load_teacher(policy: PolicyConfig) -> tuple[PolicyConfig, PolicyNetwork | None]:
    """Load the teacher that the policy's method names, if it needs one.

    :returns: the policy, with the settings of the teacher that its method needs, and the teacher.
    :raises ConfigError: when the teacher cannot be read or is no diffusion policy.
    """
    method = policy.method
    if not isinstance(method, Consistency):
        return policy, None
    folder = method.teacher
    require(bool(folder), 'consistency.teacher is empty: needs the folder of a diffusion policy')
    try:
        teacher = load_network(Path(folder))
    except CheckpointError as error:
        raise ConfigError(f'consistency.teacher: {error}') from error
    return replace(policy, method=method.taught_by(teacher.config)), teacher
