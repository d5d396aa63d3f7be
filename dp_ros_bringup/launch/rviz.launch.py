# SPDX-License-Identifier: Apache-2.0
"""RViz with the robot's frames, camera image, goal and the policy's chunks."""

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare


def rviz(context):
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        raise RuntimeError(
            'RViz (rviz2) is not installed: leave rviz:=true out and use the view in the browser, '
            'which shows the same: ros2 run dp_ros view'
        ) from None
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            namespace=LaunchConfiguration('namespace'),
            arguments=['-d', LaunchConfiguration('rviz_config')],
            parameters=[Parameter('use_sim_time', LaunchConfiguration('use_sim_time'))],
            output='screen',
        )
    ]


def generate_launch_description():
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of the topics.'
            ),
            DeclareLaunchArgument(
                'rviz_config',
                default_value=PathJoinSubstitution(
                    [FindPackageShare('dp_ros_bringup'), 'rviz', 'dp_ros.rviz']
                ),
                description='RViz configuration file to open.',
            ),
            DeclareLaunchArgument(
                'use_sim_time', default_value='false', description='Use the time of /clock.'
            ),
            OpaqueFunction(function=rviz),
        ]
    )
