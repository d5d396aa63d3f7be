# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes, and what applies to all nodes of a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
import tempfile
from typing import Any

from launch.action import Action
from launch.actions import ExecuteProcess
from launch.lacking import lacking
from launch.launch_context import LaunchContext
from launch.logging import get_logger
from launch.substitution import SomeSubstitutionsType, Substitution, TextSubstitution
from launch.utilities import perform
import yaml

from .parameter_descriptions import ParameterFile, evaluate_values
from .substitutions import REAL_PACKAGE, FindPackagePrefix

Remapping = tuple[SomeSubstitutionsType, SomeSubstitutionsType]

_NAMESPACE = 'ros_namespace'

__getattr__ = lacking(
    __name__,
    (
        'ComposableNodeContainer',
        'LifecycleNode',
        'LifecycleTransition',
        'LoadComposableNodes',
        'RosTimer',
        'SetParameter',
        'SetParametersFromFile',
        'SetRemap',
        'SetROSLogDir',
        'SetUseSimTime',
    ),
    REAL_PACKAGE,
)


class PushRosNamespace(Action):
    """Put the nodes that follow in the group into a namespace below the one they are in."""

    def __init__(self, namespace: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._namespace = namespace

    def execute(self, context: LaunchContext) -> None:
        """Set the namespace for the rest of the scope."""
        pushed = perform(context, self._namespace)
        outer = context.launch_configurations.get(_NAMESPACE, '')
        context.launch_configurations[_NAMESPACE] = join_namespaces(outer, pushed)


class Node(ExecuteProcess):
    """Runs a package's executable as a node.

    :param parameters: in the order of their precedence, lowest first: paths of YAML files, and
        mappings from names to values.
    :param remappings: pairs of names, from and to.
    :param arguments: of the program; ``ros_arguments``: behind ``--ros-args``.
    """

    def __init__(
        self,
        *,
        executable: SomeSubstitutionsType,
        package: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        namespace: SomeSubstitutionsType | None = None,
        exec_name: SomeSubstitutionsType | None = None,
        parameters: Iterable[Any] | None = None,
        remappings: Iterable[Remapping] | None = None,
        ros_arguments: Iterable[SomeSubstitutionsType] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        program = executable if package is None else _ProgramOf(package, executable)
        ros = _RosArguments(name, namespace, parameters, remappings, ros_arguments)
        cmd = [program, *(arguments or ()), '--ros-args']
        super().__init__(cmd=cmd, name=exec_name or executable, **kwargs)
        self._ros = ros

    def execute(self, context: LaunchContext) -> None:
        """Add what ROS is told, and start the process."""
        words = self._ros.perform(context)
        self._command.words.extend([TextSubstitution(text=word)] for word in words)
        super().execute(context)


class _ProgramOf(Substitution):
    """The path of a package's executable."""

    def __init__(self, package: SomeSubstitutionsType, executable: SomeSubstitutionsType) -> None:
        super().__init__()
        self._package, self._executable = package, executable

    def perform(self, context: LaunchContext) -> str:
        package, executable = (perform(context, s) for s in (self._package, self._executable))
        folder = Path(FindPackagePrefix(package).perform(context)) / 'lib' / package
        if not (folder / executable).is_file():
            raise FileNotFoundError(
                f"executable '{executable}' not found on the libexec directory '{folder}'"
            )
        return str(folder / executable)


class _RosArguments:
    """What stands behind `--ros-args`."""

    def __init__(
        self,
        name: SomeSubstitutionsType | None,
        namespace: SomeSubstitutionsType | None,
        parameters: Iterable[Any] | None,
        remappings: Iterable[Remapping] | None,
        ros_arguments: Iterable[SomeSubstitutionsType] | None,
    ) -> None:
        self._name, self._namespace = name, namespace
        self._parameters = list(parameters or ())
        self._remappings = list(remappings or ())
        self._ros_arguments = list(ros_arguments or ())

    def perform(self, context: LaunchContext) -> list[str]:
        words = [perform(context, word) for word in self._ros_arguments]
        if self._name is not None:
            words += ['-r', f'__node:={perform(context, self._name)}']
        namespace = self._full_namespace(context)
        if namespace:
            words += ['-r', f'__ns:={namespace}']
        for parameter in self._parameters:
            path = _parameter_file(context, parameter)
            if Path(path).is_file():
                words += ['--params-file', path]
            else:
                get_logger('launch_ros').warning(f'Parameter file path is not a file: {path}')
        for source, target in self._remappings:
            words += ['-r', f'{perform(context, source)}:={perform(context, target)}']
        return words

    def _full_namespace(self, context: LaunchContext) -> str:
        outer = context.launch_configurations.get(_NAMESPACE, '')
        own = '' if self._namespace is None else perform(context, self._namespace)
        return join_namespaces(outer, own)


def join_namespaces(outer: str, inner: str) -> str:
    """Return the namespace ``inner`` below ``outer``, or itself where it begins with a slash."""
    if not inner or inner.startswith('/'):
        joined = inner or outer
    else:
        joined = f'/{outer.strip("/")}/{inner}'.replace('//', '/')
    return joined if joined == '/' else joined.rstrip('/')


def _parameter_file(context: LaunchContext, parameter: Any) -> str:
    """Return the path of a parameter file, written for a mapping of values."""
    if isinstance(parameter, ParameterFile):
        return parameter.evaluate(context)
    if not isinstance(parameter, Mapping):
        return perform(context, parameter)
    values = {'/**': {'ros__parameters': evaluate_values(context, parameter)}}
    with tempfile.NamedTemporaryFile('w', prefix='launch_params_', delete=False) as file:
        yaml.safe_dump(values, file)
    return file.name
