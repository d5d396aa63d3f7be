# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes, and what applies to all nodes of a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
import re
import tempfile
from typing import Any

from launch.action import Action
from launch.actions import ExecuteProcess
from launch.lacking import lacking
from launch.launch_context import LaunchContext
from launch.logging import get_logger
from launch.substitution import SomeSubstitutionsType, Substitution, TextSubstitution
from launch.substitutions import SubstitutionFailure
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions
import yaml

from .parameter_descriptions import (
    Parameter,
    ParameterFile,
    Values,
    evaluate_values,
    normalize_values,
)
from .substitutions import REAL_PACKAGE, FindPackagePrefix

Remapping = tuple[SomeSubstitutionsType, SomeSubstitutionsType]

_NAMESPACE = 'ros_namespace'
_VALID_NAME = re.compile(r'[A-Za-z_]\w*', re.ASCII)
_VALID_NAMESPACE = re.compile(r'/|(/[A-Za-z_]\w*)+', re.ASCII)

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
        self._namespace = normalize_to_list_of_substitutions(namespace)

    def execute(self, context: LaunchContext) -> None:
        """Set the namespace for the rest of the scope."""
        pushed = perform_substitutions(context, self._namespace)
        outer = context.launch_configurations.get(_NAMESPACE)
        namespace = join_namespaces(outer, pushed)
        if not _VALID_NAMESPACE.fullmatch(namespace):
            raise SubstitutionFailure(
                f"The resulting namespace is invalid: '{namespace}', of '{outer}' and '{pushed}'"
            )
        context.launch_configurations[_NAMESPACE] = namespace


PushROSNamespace = PushRosNamespace


class Node(ExecuteProcess):
    """Runs a package's executable as a node.

    :param parameters: list in the order of precedence, lowest first: paths of YAML files, mappings
        from names to values, and `Parameter`. A mapping becomes a file that lasts as long as the
        process that launches (upstream's stays for ever); a `Parameter` needs none.
    :param remappings: pairs of names, from and to, each a tuple.
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
        parameters: list[Any] | None = None,
        remappings: Iterable[Remapping] | None = None,
        ros_arguments: list[SomeSubstitutionsType] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        program = executable if package is None else _ProgramOf(package, executable)
        ros = _RosArguments(name, namespace, parameters, remappings)
        ahead = [] if ros_arguments is None else ['--ros-args', *_list_of(ros_arguments)]
        cmd = [program, *(arguments or ()), *ahead, '--ros-args']
        super().__init__(cmd=cmd, name=exec_name or executable, **kwargs)
        self._ros = ros

    def execute(self, context: LaunchContext) -> None:
        """Add what ROS is told, and start the process."""
        words = self._ros.perform(context)
        self._command.words.extend([TextSubstitution(text=word)] for word in words)
        super().execute(context)


class _ProgramOf(FindPackagePrefix):
    """The path of a package's executable."""

    def __init__(self, package: SomeSubstitutionsType, executable: SomeSubstitutionsType) -> None:
        super().__init__(package)
        self._executable = normalize_to_list_of_substitutions(executable)

    def perform(self, context: LaunchContext) -> str:
        package = perform_substitutions(context, self._package)
        executable = perform_substitutions(context, self._executable)
        folder = Path(super().perform(context)) / 'lib' / package
        if not (folder / executable).is_file():
            raise SubstitutionFailure(
                f"executable '{executable}' not found on the libexec directory '{folder}'"
            )
        return str(folder / executable)


class _RosArguments:
    """What stands behind `--ros-args`."""

    def __init__(
        self,
        name: SomeSubstitutionsType | None,
        namespace: SomeSubstitutionsType | None,
        parameters: list[Any] | None,
        remappings: Iterable[Remapping] | None,
    ) -> None:
        self._name, self._namespace = (
            None if some is None else normalize_to_list_of_substitutions(some)
            for some in (name, namespace)
        )
        self._parameters = [_normalized(some) for some in _list_of(parameters or [])]
        self._remappings = [_remapping(some) for some in remappings or ()]

    def perform(self, context: LaunchContext) -> list[str]:
        name = None if self._name is None else perform_substitutions(context, self._name)
        namespace = self._full_namespace(context)
        _check_names(name, namespace)
        words = [] if name is None else ['-r', f'__node:={name}']
        words += [] if namespace is None else ['-r', f'__ns:={namespace}']
        rule = '/**' if name is None or namespace is None else join_namespaces(namespace, name)
        for parameter in self._parameters:
            words += _parameter_words(context, parameter, rule)
        for source, target in self._remappings:
            words += ['-r', ':='.join(perform_substitutions(context, s) for s in (source, target))]
        return words

    def _full_namespace(self, context: LaunchContext) -> str | None:
        outer = context.launch_configurations.get(_NAMESPACE)
        if self._namespace is None:
            return outer
        return join_namespaces(outer, perform_substitutions(context, self._namespace))


def join_namespaces(outer: str | None, inner: str) -> str:
    """Return the namespace ``inner`` below ``outer``, or itself where it begins with a slash."""
    joined = inner if inner.startswith('/') else f'{(outer or "").rstrip("/")}/{inner}'
    return joined.rstrip('/') or '/'


def _check_names(name: str | None, namespace: str | None) -> None:
    """Refuse what ROS refuses; rclpy is imported only to say so."""
    if name is not None and not _VALID_NAME.fullmatch(name):
        from rclpy.validate_node_name import validate_node_name

        validate_node_name(name)
    if namespace is not None and not _VALID_NAMESPACE.fullmatch(namespace):
        from rclpy.validate_namespace import validate_namespace

        validate_namespace(namespace)


def _list_of(some: Any) -> list[Any]:
    if not isinstance(some, list):
        raise TypeError(f"'Node' expected a list, got {some!r} of {type(some)}")
    return some


def _remapping(pair: Remapping) -> tuple[list[Substitution], ...]:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f'a remapping must be a tuple of length 2, got {pair!r}')
    return tuple(normalize_to_list_of_substitutions(some) for some in pair)


def _normalized(parameter: Any) -> ParameterFile | Parameter | Values:
    if isinstance(parameter, (ParameterFile, Parameter)):
        return parameter
    if isinstance(parameter, Mapping):
        return normalize_values(parameter)
    return ParameterFile(parameter)


def _parameter_words(
    context: LaunchContext, parameter: ParameterFile | Parameter | Values, rule: str
) -> list[str]:
    if isinstance(parameter, Parameter):
        name, value = parameter.evaluate(context)
        return ['-p', f'{name}:={yaml.safe_dump(value)}']
    if isinstance(parameter, ParameterFile):
        path = parameter.evaluate(context)
    else:
        path = _write({rule: {'ros__parameters': evaluate_values(context, parameter)}})
    if path.is_file():
        return ['--params-file', str(path)]
    get_logger('launch_ros').warning(f'Parameter file path is not a file: {path}')
    return []


def _write(values: Mapping[str, Any]) -> Path:
    with tempfile.NamedTemporaryFile('w', dir=_folder().name, delete=False) as file:
        yaml.safe_dump(values, file)
    return Path(file.name)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is removed when this process ends."""
    return tempfile.TemporaryDirectory(prefix='launch_params_')
