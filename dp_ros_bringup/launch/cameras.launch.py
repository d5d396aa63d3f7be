# SPDX-License-Identifier: Apache-2.0
"""The camera drivers that a YAML file lists."""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from dp_ros.outside import OutsideError, read_yaml
from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare

KEYS = {'package', 'executable', 'parameters', 'remappings'}


def parameters(values, prefix=''):
    """Return one parameter per value; the names of nested ones are joined by dots."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from parameters(value, f'{prefix}{name}.')
        else:
            yield Parameter(f'{prefix}{name}', value)


def driver(name, entry):
    if not isinstance(entry, dict) or not {'package', 'executable'} <= set(entry) <= KEYS:
        raise RuntimeError(
            f'camera {name}: {entry}: needs package and executable, and may have parameters and '
            'remappings'
        )
    package = entry['package']
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        raise RuntimeError(
            f"camera {name}: package '{package}' not found; "
            f'sudo apt-get install ros-jazzy-{package.replace("_", "-")}'
        ) from None
    return Node(
        package=package,
        executable=entry['executable'],
        name=package,
        namespace=[LaunchConfiguration('namespace'), f'/camera/{name}'],
        parameters=list(parameters(entry.get('parameters', {}))),
        remappings=list(entry.get('remappings', {}).items()),
        output='screen',
    )


def drivers(context):
    path = Path(LaunchConfiguration('cameras').perform(context))
    try:
        entries = read_yaml(path)
    except (OSError, OutsideError) as error:
        raise RuntimeError(f'cameras: {error}') from None
    if not isinstance(entries, dict):
        raise RuntimeError(f'cameras: {path} lists no cameras')
    return [driver(name, entry) for name, entry in entries.items()]


def generate_launch_description():
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            DeclareLaunchArgument(
                'cameras',
                default_value=PathJoinSubstitution(
                    [FindPackageShare('dp_ros_bringup'), 'config', 'cameras.yaml']
                ),
                description='YAML file that lists the camera drivers; see the default file.',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of all nodes.'
            ),
            OpaqueFunction(function=drivers),
        ]
    )
