# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `policy`, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.nodes.policy.inbox import InboxLimits
from dp_ros.policy.engines import ENGINES
from dp_ros.policy.methods import METHODS
from dp_ros.robot.units import NS, to_ns
from dp_ros.ros.common_parameters import AUTOSTART, BASE_FRAME, TOOL_FRAME
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.task.task import Task

DEVICES = ('auto', 'cpu', 'cuda')
_SHARE = 0.625  # of what is followed of a chunk, when the next one is due
_IDLE_NS = NS // 2

SAMPLERS = ('auto', *(name for method in METHODS.values() for name in method.samplers))

PARAMETERS = ParameterTable(
    'policy',
    AUTOSTART,
    Parameter('checkpoint', '', 'Folder of the policy; used by the next configure.'),
    Parameter(
        'engine',
        'auto',
        'What evaluates the networks; auto: OpenVINO on a CPU where it is installed, a CUDA graph '
        'on a GPU. Used by the next configure.',
        choices=ENGINES,
    ),
    Parameter(
        'device',
        'auto',
        'Where the networks run; without CUDA on the CPU. Used by the next configure.',
        choices=DEVICES,
    ),
    Parameter(
        'num_threads',
        1,
        'Threads of the denoising; one is best beside a simulation. Used by the next configure.',
        low=1,
        high=64,
    ),
    BASE_FRAME,
    TOOL_FRAME,
    Parameter(
        'rate',
        0.0,
        'Most chunks per second [Hz]; 0: as the task needs them, a new one when five eighths of '
        'n_action_steps have passed.',
        low=0.0,
        high=100.0,
    ),
    Parameter(
        'max_observation_age', 0.5, 'Oldest observation that is used [s].', low=0.01, high=60.0
    ),
    Parameter(
        'sampler.name',
        'auto',
        'How the chunk is denoised, one of those of the policy; auto: its first.',
        choices=SAMPLERS,
    ),
    Parameter(
        'sampler.num_inference_steps',
        10,
        'Denoising steps; at most what the policy was trained with.',
        low=1,
        high=1000,
    ),
    Parameter(
        'seed',
        0,
        'Of the noise: each chunk has its own seed, made of this one and of how many chunks there '
        'were since it was set or reset.',
        low=0,
    ),
    Parameter('n_samples', 1, 'Chunks drawn as a fan; 1: only the one sent.', low=1, high=64),
    Parameter('show_denoising', False, 'Draw the chunk from noise to path, step by step.'),
)


def chunk_period_ns(values: Mapping[str, Any], task: Task | None) -> int:
    """Return the least time between the observations of two chunks [ns]."""
    if values['rate'] > 0:
        return to_ns(1 / values['rate'])
    return _IDLE_NS if task is None else to_ns(_SHARE * task.n_action_steps * task.dt)


def inbox_limits(values: Mapping[str, Any], task: Task | None) -> InboxLimits:
    """Return when an observation is used, for a task once there is one."""
    return InboxLimits(
        period_ns=chunk_period_ns(values, task),
        slack_ns=0 if task is None else to_ns(task.dt / 4),
        max_age_ns=to_ns(values['max_observation_age']),
    )
