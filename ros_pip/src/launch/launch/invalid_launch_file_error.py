# SPDX-License-Identifier: Apache-2.0
"""The error of a launch file that cannot be loaded."""


class InvalidLaunchFileError(Exception):
    """A launch file does not give a launch description."""
