# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node `view`."""

from __future__ import annotations

from typing import Final

from dp_ros.ros.parameters import Parameter, ParameterTable

AUTO: Final = 'auto'
ON: Final = 'on'

PARAMETERS = ParameterTable(
    'view',
    Parameter(
        'host',
        '127.0.0.1',
        'Address on which the page is served; for another than this machine the link holds a '
        'token. `ros2 run dp_ros view --host …`.',
        read_only=True,
    ),
    Parameter(
        'port',
        8080,
        'Port of the page; 0: any that is free. `ros2 run dp_ros view --port …`.',
        low=0,
        high=65535,
        read_only=True,
    ),
    Parameter(
        'control',
        AUTO,
        'Whether the page may move the arm; auto: only in simulation. An emergency stop is always '
        'possible. `ros2 run dp_ros view --control` sets it to on.',
        choices=(AUTO, ON, 'off'),
        read_only=True,
    ),
    Parameter(
        'token',
        '',
        'Word that the link has to hold where the page is served to other machines; empty: a '
        'random one.',
        read_only=True,
    ),
)
