# SPDX-License-Identifier: Apache-2.0
"""Launch descriptions from files; this stand-in reads Python files."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..invalid_launch_file_error import InvalidLaunchFileError
from ..lacking import REAL_PACKAGE, lacking
from ..launch_description_source import LaunchDescriptionSource
from ..substitution import SomeSubstitutionsType

if TYPE_CHECKING:
    from ..launch_description import LaunchDescription

__all__ = [
    'AnyLaunchDescriptionSource',
    'InvalidPythonLaunchFileError',
    'PythonLaunchDescriptionSource',
    'get_launch_description_from_any_launch_file',
    'get_launch_description_from_python_launch_file',
    'load_python_launch_file_as_module',
]

__getattr__ = lacking(
    __name__,
    ('FrontendLaunchDescriptionSource', 'get_launch_description_from_frontend_launch_file'),
)


class InvalidPythonLaunchFileError(Exception):
    """A Python file does not give a launch description."""


def load_python_launch_file_as_module(python_launch_file_path: str) -> ModuleType:
    """Run a launch file as a module."""
    loader = SourceFileLoader('python_launch_file', str(python_launch_file_path))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def get_launch_description_from_python_launch_file(
    python_launch_file_path: str,
) -> LaunchDescription:
    """Return what the file's ``generate_launch_description`` gives."""
    module = load_python_launch_file_as_module(python_launch_file_path)
    if not hasattr(module, 'generate_launch_description'):
        raise InvalidPythonLaunchFileError(
            f"launch file at '{python_launch_file_path}' does not contain the required function "
            "'generate_launch_description()'"
        )
    return module.generate_launch_description()


def get_launch_description_from_any_launch_file(launch_file_path: str) -> LaunchDescription:
    """Return the launch description of a file.

    :raises InvalidLaunchFileError: when the file does not give one.
    """
    extension = Path(launch_file_path).suffix.removeprefix('.')
    if extension in ('xml', 'yaml', 'yml'):
        raise InvalidLaunchFileError(
            f'{launch_file_path}: this stand-in reads Python launch files only; '
            f'others need {REAL_PACKAGE}'
        )
    try:
        return get_launch_description_from_python_launch_file(launch_file_path)
    except Exception as error:
        raise InvalidLaunchFileError(
            f'Caught exception when trying to load file of format [{extension}]: {error}'
        ) from error


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """A Python launch file."""

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(None, launch_file_path, 'interpreted python launch file')

    def _get_launch_description(self, location: str) -> LaunchDescription:
        return get_launch_description_from_python_launch_file(location)


class AnyLaunchDescriptionSource(LaunchDescriptionSource):
    """A launch file of any kind."""

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(None, launch_file_path, 'interpreted launch file')

    def _get_launch_description(self, location: str) -> LaunchDescription:
        return get_launch_description_from_any_launch_file(location)
