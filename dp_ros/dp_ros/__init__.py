# SPDX-License-Identifier: Apache-2.0
"""Diffusion policies for manipulation with ROS 2: learn from rosbag2, run on a Franka FR3."""

__version__ = '0.1.0'
