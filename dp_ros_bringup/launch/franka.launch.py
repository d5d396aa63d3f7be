# SPDX-License-Identifier: Apache-2.0
"""A Franka FR3 with Hand and cameras, and a policy that moves it after executor/enable."""

from dp_ros.ros.domain import settle_domain
from dp_ros.ros.policy_argument import check_policy
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
    return GroupAction([included], condition=condition)  # Keeps its defaults from other files.


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
            argument('robot_ip', 'Address of the arm; with fake hardware, any word.', None),
            argument('policy', 'Checkpoint folder; remote: it runs elsewhere; empty: no policy.'),
            argument('execute', 'Send commands; false: dry run until executor/enable.', 'false'),
            argument('namespace', 'Namespace of all nodes and topics.'),
            argument('use_fake_hardware', 'Use fake hardware instead of an arm.', 'false'),
            argument('load_gripper', 'Whether the Franka Hand is mounted.', 'false'),
            argument(
                'cameras',
                'YAML file that lists the camera drivers, such as config/cameras.yaml; empty: no '
                'cameras.',
            ),
            argument('rviz', 'Start RViz.', 'false'),
            argument('view', 'Serve the view in the browser.', 'false'),
            argument(
                'config', 'Parameter file of the nodes (YAML).', share('config', 'dp_ros.yaml')
            ),
            argument(
                'controllers_yaml', 'Parameter file of ros2_control (YAML).', controllers_yaml
            ),
            argument(
                'controller_name', 'Joint trajectory controller to use.', 'fr3_arm_controller'
            ),
            argument(
                'joint_states',
                "Topic of the arm's joint states, stamped when they are measured.",
                'franka/joint_states',
            ),
            OpaqueFunction(function=check_policy),
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
            include('view.launch.py', 'namespace', 'config', condition=is_true('view')),
        ]
    )
