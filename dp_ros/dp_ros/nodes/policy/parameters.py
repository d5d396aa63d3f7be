# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `policy`, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.nodes.policy.inbox import InboxLimits
from dp_ros.nodes.policy.pace import Pace
from dp_ros.policy.engines import ENGINES
from dp_ros.policy.methods import METHODS
from dp_ros.policy.prefix import CONDITIONINGS
from dp_ros.robot.units import to_ns
from dp_ros.ros.common_parameters import AUTOSTART, BASE_FRAME, TOOL_FRAME
from dp_ros.ros.parameters import Parameter, ParameterTable
from dp_ros.task.task import Task
from dp_ros.values import ConfigError

DEVICES = ('auto', 'cpu', 'cuda')

SAMPLERS = ('auto', *(name for method in METHODS.values() for name in method.samplers))

PARAMETERS = ParameterTable(
    'policy',
    AUTOSTART,
    Parameter('checkpoint', '', 'Checkpoint folder; read by the next configure.'),
    Parameter(
        'engine',
        'auto',
        'Engine that evaluates the networks; auto: OpenVINO on a CPU if it is installed, a CUDA '
        'graph on a GPU. Used by the next configure.',
        choices=ENGINES,
    ),
    Parameter(
        'device',
        'auto',
        'Device that runs the networks; without CUDA it is the CPU. Used by the next configure.',
        choices=DEVICES,
    ),
    Parameter(
        'num_threads',
        1,
        'Number of CPU threads for the networks; beside a simulation 1 is best. Used by the next '
        'configure.',
        low=1,
        high=64,
    ),
    BASE_FRAME,
    TOOL_FRAME,
    Parameter(
        'rate',
        0.0,
        'Highest rate of chunks [Hz]; 0: as often as the machine can beside its other work, at '
        'the soonest when three eighths of n_action_steps have been followed.',
        low=0.0,
        high=100.0,
    ),
    Parameter(
        'added_delay',
        0.0,
        'Time for which each chunk is held back [s], to measure what a slower machine would do; '
        '0 for any other use.',
        low=0.0,
        high=10.0,
    ),
    Parameter(
        'max_observation_age',
        0.5,
        'Largest age of an observation, by its stamp [s]; older ones are refused.',
        low=0.01,
        high=60.0,
    ),
    Parameter(
        'sampler.name',
        'auto',
        "Sampler that denoises the chunk, one of the policy's own; auto: the first of them.",
        choices=SAMPLERS,
    ),
    Parameter(
        'sampler.num_inference_steps',
        10,
        'Number of denoising steps; at most num_train_timesteps for a diffusion policy.',
        low=1,
        high=1000,
    ),
    Parameter(
        'conditioning',
        'auto',
        'How a chunk follows what the arm is committed to do until it joins; trained: as the '
        'policy was trained, guided: its next actions are pulled towards that, for all methods '
        'but gaussian and mixture, none: not at all; auto: trained if the policy was, else none. '
        'Used by the next configure.',
        choices=CONDITIONINGS,
    ),
    Parameter(
        'seed',
        0,
        'Base seed of the noise; chunk i uses hash(seed, i), and i restarts at 0 with a new seed '
        'or a reset.',
        low=0,
    ),
    Parameter(
        'n_samples',
        1,
        'Number of sampled chunks to draw as a fan; only one chunk is sent. 1: no fan.',
        low=1,
        high=64,
    ),
    Parameter('show_denoising', False, 'Draw every denoising step of the chunk.'),
)


def inbox_limits(values: Mapping[str, Any], task: Task | None, pace: Pace) -> InboxLimits:
    """Return when an observation is used, for a task once there is one."""
    return InboxLimits(
        period_ns=pace.period_ns(values['rate'], task),
        slack_ns=0 if task is None else to_ns(task.dt / 4),
        max_age_ns=to_ns(values['max_observation_age']),
    )


def check_delay(values: Mapping[str, Any], task: Task) -> None:
    """Check that chunks which are held back still have points to follow.

    :raises ConfigError: when they have none.
    """
    delay, last = values['added_delay'], (task.n_points - 1) * task.dt
    if to_ns(delay) >= to_ns(last):
        raise ConfigError(
            f'added_delay = {delay:g} s: the last point of a chunk is {last:g} s after its '
            'observation, so nothing would be left to follow'
        )
