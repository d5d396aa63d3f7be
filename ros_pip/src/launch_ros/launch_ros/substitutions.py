# SPDX-License-Identifier: Apache-2.0
"""Folders of packages."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_prefix
from launch.lacking import lacking
from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

REAL_PACKAGE = 'the real package, ros-jazzy-launch-ros (https://github.com/ros2/launch_ros)'

__getattr__ = lacking(__name__, ('ExecutableInPackage', 'Parameter'), REAL_PACKAGE)


class FindPackagePrefix(Substitution):
    """The folder that a package is installed under."""

    def __init__(self, package: SomeSubstitutionsType) -> None:
        super().__init__()
        self._package = normalize_to_list_of_substitutions(package)

    def describe(self) -> str:
        """Return a description for people."""
        package = ' + '.join(sub.describe() for sub in self._package)
        return f'{type(self).__name__}(pkg={package})'

    def perform(self, context: LaunchContext) -> str:
        """Find it.

        :raises PackageNotFoundError: when the package is not in the environment.
        """
        return get_package_prefix(perform_substitutions(context, self._package))


class FindPackageShare(FindPackagePrefix):
    """The package's share folder: launch files, configuration."""

    def perform(self, context: LaunchContext) -> str:
        """Find it."""
        package = perform_substitutions(context, self._package)
        return str(Path(super().perform(context)) / 'share' / package)


FindPackage = FindPackagePrefix
