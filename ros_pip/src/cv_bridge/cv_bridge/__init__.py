# SPDX-License-Identifier: Apache-2.0
"""Convert between ROS images and arrays as OpenCV uses them.

A stand-in for the Python module of ros-perception/vision_opencv's cv_bridge: the same names,
signatures and results, written anew on `cv2`. What it lacks raises an ImportError that names the
real package.
"""

from typing import Any

from .core import CvBridge, CvBridgeError, getCvType

__all__ = ['CvBridge', 'CvBridgeError', 'getCvType']


def __getattr__(name: str) -> Any:
    if name in ('boost', 'cvtColorForDisplay'):
        raise ImportError(
            f'cv_bridge.{name} is not in this stand-in; it is in the real package, '
            'ros-jazzy-cv-bridge (https://github.com/ros-perception/vision_opencv)'
        )
    raise AttributeError(f"module 'cv_bridge' has no attribute '{name}'")
