# SPDX-License-Identifier: Apache-2.0
"""Where frames are, over time: buffer, listener and broadcasters.

A stand-in for the Python package tf2_ros of ros2/geometry2 (jazzy): the same names, signatures,
interpolation and refusals, written anew. What it lacks raises an error that names the real
package.
"""

from typing import Any

from .buffer import Buffer
from .buffer_core import BufferCore
from .exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TimeoutException,
    TransformException,
)
from .static_transform_broadcaster import StaticTransformBroadcaster
from .transform_broadcaster import TransformBroadcaster
from .transform_listener import TransformListener

__all__ = [
    'Buffer',
    'BufferCore',
    'ConnectivityException',
    'ExtrapolationException',
    'InvalidArgumentException',
    'LookupException',
    'StaticTransformBroadcaster',
    'TimeoutException',
    'TransformBroadcaster',
    'TransformException',
    'TransformListener',
]

_UPSTREAM_ONLY = (
    'BufferClient',
    'BufferInterface',
    'ConvertRegistration',
    'NotImplementedException',
    'Stamped',
    'TransformRegistration',
    'TypeException',
    'convert',
)


def __getattr__(name: str) -> Any:
    if name in _UPSTREAM_ONLY:
        raise ImportError(
            f'tf2_ros.{name} is not in this stand-in; it is in the real package, '
            'ros-jazzy-tf2-ros-py (https://github.com/ros2/geometry2)'
        )
    raise AttributeError(f"module 'tf2_ros' has no attribute '{name}'")
