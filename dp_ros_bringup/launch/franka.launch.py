# SPDX-License-Identifier: Apache-2.0
"""A Franka FR3 with hand and cameras, and the policy that moves it once it is enabled."""

from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, NotEqualsSubstitution, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def argument(name, description, default=''):
    return DeclareLaunchArgument(name, default_value=default, description=description)


def share(*parts):
    return PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), *parts])


def include(name, *passed_on, condition=None, **arguments):
    arguments |= {argument: LaunchConfiguration(argument) for argument in passed_on}
    source = PythonLaunchDescriptionSource(share('launch', name))
    included = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    return GroupAction([included], condition=condition)  # Its defaults are not for the others.


def is_given(name):
    return IfCondition(NotEqualsSubstitution(LaunchConfiguration(name), ''))


def is_true(name):
    return IfCondition(LaunchConfiguration(name))


def generate_launch_description():
    controllers_yaml = share('config', 'franka_controllers.yaml')
    robot = ('namespace', 'use_fake_hardware', 'load_gripper', 'controller_name')
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            argument('robot_ip', 'Address of the arm; with fake hardware any word.', None),
            argument('policy', 'Folder of the checkpoint; remote: elsewhere; empty: none.'),
            argument('execute', 'false: a dry run, nothing moves until executor/enable.', 'false'),
            argument('namespace', 'Of all nodes and topics.'),
            argument('use_fake_hardware', 'No arm: joints go where they are told.', 'false'),
            argument('load_gripper', 'The Franka Hand is mounted.', 'false'),
            argument('cameras', 'YAML of drivers, as config/cameras.yaml; empty: none.'),
            argument('rviz', 'Start RViz too.', 'false'),
            argument('config', 'YAML of the nodes.', share('config', 'dp_ros.yaml')),
            argument('controllers_yaml', 'YAML of ros2_control.', controllers_yaml),
            argument('controller_name', 'Joint trajectory controller.', 'fr3_arm_controller'),
            argument('joint_states', 'Of the arm, with true stamps.', 'franka/joint_states'),
            include('arm.launch.py', 'robot_ip', 'controllers_yaml', *robot),
            include('cameras.launch.py', 'cameras', 'namespace', condition=is_given('cameras')),
            include(
                'bringup.launch.py',
                *('policy', 'execute', 'namespace', 'config', 'controller_name', 'joint_states'),
                condition=is_given('policy'),
            ),
            include(
                'gripper.launch.py',
                *('namespace', 'config'),
                condition=is_true('load_gripper'),
                fake=LaunchConfiguration('use_fake_hardware'),
            ),
            include('rviz.launch.py', 'namespace', condition=is_true('rviz')),
        ]
    )
