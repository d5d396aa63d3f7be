# SPDX-License-Identifier: Apache-2.0
"""Record demonstrations, one rosbag2 per episode."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    config = LaunchConfiguration('config')
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'directory', default_value='demonstrations', description='Folder of the episodes.'
            ),
            DeclareLaunchArgument('namespace', default_value='', description='Of all nodes.'),
            DeclareLaunchArgument(
                'config',
                default_value=PathJoinSubstitution(
                    [FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml']
                ),
                description='YAML with the parameters of the nodes.',
            ),
            DeclareLaunchArgument(
                'sim', default_value='false', description='Start the simulated FR3 too.'
            ),
            Node(
                package='dp_ros',
                executable='demo_recorder',
                namespace=LaunchConfiguration('namespace'),
                parameters=[config, {'directory': LaunchConfiguration('directory')}],
                output='screen',
            ),
            Node(
                package='dp_ros',
                executable='franka_sim',
                namespace=LaunchConfiguration('namespace'),
                parameters=[config],
                output='screen',
                condition=IfCondition(LaunchConfiguration('sim')),
            ),
        ]
    )
