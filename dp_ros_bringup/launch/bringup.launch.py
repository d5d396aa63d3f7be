# SPDX-License-Identifier: Apache-2.0
"""The three nodes that run a policy, against any arm and cameras."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    config = LaunchConfiguration('config')
    clock = {'use_sim_time': LaunchConfiguration('use_sim_time')}
    joint_states = ('joint_states', LaunchConfiguration('joint_states'))
    return LaunchDescription(
        [
            DeclareLaunchArgument('policy', description='Folder of the checkpoint.'),
            DeclareLaunchArgument('namespace', default_value='', description='Of all nodes.'),
            DeclareLaunchArgument(
                'config',
                default_value=PathJoinSubstitution(
                    [FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml']
                ),
                description='YAML with the parameters of the nodes.',
            ),
            DeclareLaunchArgument(
                'controller_name',
                default_value='fr3_arm_controller',
                description='The joint trajectory controller.',
            ),
            DeclareLaunchArgument(
                'joint_states',
                default_value='joint_states',
                description='Topic with true stamps; on a real FR3 franka/joint_states.',
            ),
            DeclareLaunchArgument(
                'use_sim_time', default_value='false', description='Follow /clock.'
            ),
            GroupAction(
                [
                    PushRosNamespace(LaunchConfiguration('namespace')),
                    Node(
                        package='dp_ros',
                        executable='observation_aggregator',
                        parameters=[config, clock],
                        remappings=[joint_states],
                        output='screen',
                    ),
                    Node(
                        package='dp_ros',
                        executable='policy',
                        parameters=[config, clock, {'checkpoint': LaunchConfiguration('policy')}],
                        remappings=[joint_states],
                        output='screen',
                    ),
                    Node(
                        package='dp_ros',
                        executable='executor',
                        parameters=[
                            config,
                            clock,
                            {'controller_name': LaunchConfiguration('controller_name')},
                        ],
                        remappings=[joint_states],
                        output='screen',
                    ),
                ]
            ),
        ]
    )
