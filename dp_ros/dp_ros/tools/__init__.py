# SPDX-License-Identifier: Apache-2.0
"""Command line tools, run by `ros2 run dp_ros TOOL`."""
