# SPDX-License-Identifier: Apache-2.0
"""The ROS nodes: each translates between messages and the core, which decides."""
