# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `policy`, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.nodes.policy.inbox import InboxLimits
from dp_ros.policy.engines import ENGINES
from dp_ros.policy.methods import METHODS
from dp_ros.ros.common_parameters import AUTOSTART, BASE_FRAME, TOOL_FRAME
from dp_ros.ros.parameters import Parameter, ParameterTable

DEVICES = ('auto', 'cpu', 'cuda')
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
    Parameter(
        'joint_names',
        [],
        'Joints that the checkpoint must be for, in order; empty: those it names.',
        element=str,
    ),
    Parameter(
        'camera_names',
        [],
        'Cameras that the checkpoint must be for; empty: those it names.',
        element=str,
    ),
    Parameter(
        'image_sizes',
        [],
        'Height and width of the image of each of camera_names that the checkpoint must be for '
        '[px]; empty: those it names.',
        low=1,
        high=4096,
        element=int,
    ),
    Parameter(
        'dt',
        0.0,
        'Spacing of frames and actions that the checkpoint must be for [s]; 0: what it names.',
        low=0.0,
        high=10.0,
    ),
    BASE_FRAME,
    TOOL_FRAME,
    Parameter('rate', 2.0, 'Most chunks per second [Hz].', low=0.01, high=100.0),
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


def check(values: Mapping[str, Any]) -> str | None:
    """Return which parameters contradict each other, or None."""
    names, sizes = values['camera_names'], values['image_sizes']
    if sizes and len(sizes) != 2 * len(names):
        return f'image_sizes = {sizes}: needs {2 * len(names)} entries for cameras {names}'
    return None


def expectations(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the checkpoint must be for, as ``check_fits`` takes it; None: anything."""
    names, sizes = values['camera_names'], values['image_sizes']
    pairs = zip(sizes[::2], sizes[1::2], strict=True)
    return {
        'joint_names': values['joint_names'] or None,
        'camera_names': names or None,
        'image_sizes': dict(zip(names, pairs, strict=True)) if sizes else None,
        'dt': values['dt'] or None,
    }


def inbox_limits(values: Mapping[str, Any], dt: float) -> InboxLimits:
    """Return when an observation is used; ``dt`` is the spacing of the frames [s]."""
    return InboxLimits(
        period_ns=round(1e9 / values['rate']),
        slack_ns=round(dt / 4 * 1e9),
        max_age_ns=round(values['max_observation_age'] * 1e9),
    )
