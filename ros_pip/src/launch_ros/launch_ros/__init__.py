# SPDX-License-Identifier: Apache-2.0
"""Stand-in for launch_ros where no ROS 2 is installed: nodes, namespaces, package folders."""

from . import actions, parameter_descriptions, substitutions

__all__ = ['actions', 'parameter_descriptions', 'substitutions']
