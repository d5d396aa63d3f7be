# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `observation_aggregator`, and the window they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dp_ros.data.windows.live import LiveLimits
from dp_ros.data.windows.window import JOINTS, WindowSpec
from dp_ros.ros.common_parameters import BASE_FRAME, CONTROLLER_NAME
from dp_ros.ros.parameters import Parameter, ParameterTable

TRANSPORTS = ('raw', 'compressed')

PARAMETERS = ParameterTable(
    'observation_aggregator',
    Parameter(
        'joint_names',
        [f'fr3_joint{i}' for i in range(1, 8)],
        'Joints of the observation, in this order.',
        read_only=True,
    ),
    CONTROLLER_NAME,
    Parameter('camera_names', ['front'], 'Cameras of the observation.', read_only=True),
    Parameter(
        'camera_topics',
        [],
        'Topic of each camera; empty: camera/<name>/image_raw.',
        element=str,
        read_only=True,
    ),
    Parameter(
        'camera_transports',
        [],
        'How each camera sends: raw, or compressed on <topic>/compressed; empty: raw.',
        element=str,
        choices=TRANSPORTS,
        read_only=True,
    ),
    Parameter(
        'image_sizes',
        [96, 96],
        'Height and width of each camera in the observation [px].',
        low=1,
        high=4096,
        read_only=True,
    ),
    Parameter('dt', 0.1, 'Spacing of the frames [s].', low=0.001, high=10.0, read_only=True),
    Parameter('n_obs_steps', 2, 'Frames of an observation.', low=1, high=100, read_only=True),
    Parameter(
        'image_tolerance',
        0.0,
        'How far an image may be from the time of its frame [s]; 0: 0.4 dt.',
        low=0.0,
        high=10.0,
        read_only=True,
    ),
    Parameter(
        'camera_slop',
        0.02,
        'The stamps of images that belong together differ by less than this [s].',
        low=0.0001,
        high=10.0,
        read_only=True,
    ),
    Parameter(
        'queue_size',
        10,
        'Images of a camera kept while those of the others are awaited.',
        low=1,
        high=1000,
        read_only=True,
    ),
    Parameter(
        'camera_latencies',
        [],
        'What is subtracted from the stamps of each camera [s]; empty: nothing.',
        element=float,
        low=0.0,
        high=1.0,
        read_only=True,
    ),
    Parameter(
        'joint_latency',
        0.0,
        'What is subtracted from the stamps of the joint states [s].',
        low=0.0,
        high=1.0,
        read_only=True,
    ),
    Parameter(
        'max_joint_gap',
        0.1,
        'Longest time between two joint states to interpolate over [s].',
        low=0.001,
        high=10.0,
        read_only=True,
    ),
    Parameter(
        'max_age', 0.5, 'A message older than this when it comes is late [s].', low=0.01, high=60.0
    ),
    Parameter(
        'max_future', 0.1, 'How far ahead of the clock a stamp may be [s].', low=0.0, high=60.0
    ),
    Parameter(
        'max_wait',
        0.1,
        'How long an observation waits for the joint states and transforms it needs [s].',
        low=0.0,
        high=10.0,
    ),
    BASE_FRAME,
    Parameter(
        'eef_frame',
        '',
        'Frame of the end effector, its pose is looked up in tf; empty: no pose.',
        read_only=True,
    ),
)


def camera_topics(values: Mapping[str, Any]) -> dict[str, str]:
    """Topic of each camera, as it is subscribed."""
    names = values['camera_names']
    topics = values['camera_topics'] or [f'camera/{name}/image_raw' for name in names]
    transports = values['camera_transports'] or ['raw'] * len(names)
    return {
        name: topic if transport == 'raw' else f'{topic}/compressed'
        for name, topic, transport in zip(names, topics, transports, strict=True)
    }


def window_spec(values: Mapping[str, Any]) -> WindowSpec:
    """Return the window that the parameters describe.

    :raises ValueError: when they contradict each other.
    """
    names, sizes = values['camera_names'], values['image_sizes']
    latencies = dict(zip(names, values['camera_latencies'], strict=False))
    latencies[JOINTS] = values['joint_latency']
    return WindowSpec(
        joint_names=tuple(values['joint_names']),
        image_sizes=dict(zip(names, zip(sizes[::2], sizes[1::2], strict=True), strict=True)),
        dt_ns=_ns(values['dt']),
        n_obs_steps=values['n_obs_steps'],
        image_tolerance_ns=_ns(values['image_tolerance']),
        joint_gap_ns=_ns(values['max_joint_gap']),
        slop_ns=_ns(values['camera_slop']),
        queue_size=values['queue_size'],
        latency_ns={name: _ns(value) for name, value in latencies.items()},
        past_actions=True,
    )


def live_limits(values: Mapping[str, Any]) -> LiveLimits:
    """Return what is too late."""
    return LiveLimits(_ns(values['max_age']), _ns(values['max_future']), _ns(values['max_wait']))


def check(values: Mapping[str, Any]) -> str | None:
    """Return which parameters contradict each other, or None."""
    names = values['camera_names']
    if not names or len(set(names)) != len(names):
        return f'camera_names = {names}: needs at least one, each once'
    for name, needed in {
        'image_sizes': 2 * len(names),
        'camera_topics': len(names),
        'camera_transports': len(names),
        'camera_latencies': len(names),
    }.items():
        value = values[name]
        if len(value) != needed and (value or name == 'image_sizes'):
            return f'{name} = {value}: needs {needed} entries for cameras {names}'
    try:
        window_spec(values)
    except ValueError as error:
        return str(error)
    return None


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
