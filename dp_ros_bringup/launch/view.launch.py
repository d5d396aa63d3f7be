# SPDX-License-Identifier: Apache-2.0
"""The page in the browser that shows what runs, and steers it."""

from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml'])
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of the topics.'
            ),
            DeclareLaunchArgument(
                'config',
                default_value=config,
                description='Parameter file of the nodes (YAML), with the port of the page.',
            ),
            Node(
                package='dp_ros',
                executable='view',
                namespace=LaunchConfiguration('namespace'),
                parameters=[LaunchConfiguration('config')],
                output='screen',
            ),
        ]
    )
