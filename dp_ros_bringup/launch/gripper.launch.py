# SPDX-License-Identifier: Apache-2.0
"""The node `gripper`, and if wanted a fake Hand for it."""

from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare


def node(executable, condition=None, **given):
    given['use_sim_time'] = LaunchConfiguration('use_sim_time')
    return Node(
        package='dp_ros',
        executable=executable,
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('config'), *map(Parameter, given, given.values())],
        output='screen',
        condition=condition,
    )


def generate_launch_description():
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of all nodes.'
            ),
            DeclareLaunchArgument(
                'config',
                default_value=PathJoinSubstitution(
                    [FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml']
                ),
                description='Parameter file of the nodes (YAML).',
            ),
            DeclareLaunchArgument(
                'fake',
                default_value='false',
                description='Start a fake Hand, for simulation and fake hardware.',
            ),
            DeclareLaunchArgument(
                'follow_joint_states',
                default_value='false',
                description='Take the finger positions of the fake Hand from the simulation.',
            ),
            DeclareLaunchArgument(
                'use_sim_time', default_value='false', description='Use the time of /clock.'
            ),
            node('gripper'),
            node(
                'fake_gripper',
                follow_joint_states=LaunchConfiguration('follow_joint_states'),
                condition=IfCondition(LaunchConfiguration('fake')),
            ),
        ]
    )
