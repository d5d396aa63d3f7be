# SPDX-License-Identifier: Apache-2.0
"""The simulated FR3, the nodes that run a policy on it, and the runner of episodes."""

from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import (
    LaunchConfiguration,
    NotEqualsSubstitution,
    PathJoinSubstitution,
)
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare


def include(name, **arguments):
    path = PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), 'launch', name])
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(path), launch_arguments=arguments.items()
    )


def generate_launch_description():
    config = LaunchConfiguration('config')
    namespace = LaunchConfiguration('namespace')
    task = LaunchConfiguration('task')
    seed = LaunchConfiguration('seed')
    tasks = PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), 'config', 'tasks', task])
    overlay = [tasks, '.yaml']  # Nested lists in a path need launch 3.4.5.
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            DeclareLaunchArgument('policy', description='Folder of the checkpoint.'),
            DeclareLaunchArgument(
                'task', default_value='reach', description='reach or pick_place.'
            ),
            DeclareLaunchArgument('namespace', default_value='', description='Of all nodes.'),
            DeclareLaunchArgument(
                'config',
                default_value=PathJoinSubstitution(
                    [FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml']
                ),
                description='YAML with the parameters of the nodes.',
            ),
            DeclareLaunchArgument('seed', default_value='0', description='Of the first scene.'),
            DeclareLaunchArgument('rviz', default_value='false', description='Start RViz too.'),
            GroupAction(
                [
                    PushRosNamespace(namespace),
                    Node(
                        package='dp_ros',
                        executable='franka_sim',
                        parameters=[config, overlay, Parameter('seed', seed)],
                        output='screen',
                        on_exit=Shutdown(reason='the simulation ended'),
                    ),
                    Node(
                        package='dp_ros',
                        executable='episode_runner',
                        parameters=[config, overlay, Parameter('use_sim_time', True)],
                        output='screen',
                    ),
                ]
            ),
            include(
                'bringup.launch.py',
                policy=LaunchConfiguration('policy'),
                namespace=namespace,
                config=config,
                overlay=overlay,
                execute='true',
                use_sim_time='true',
            ),
            GroupAction(
                [
                    include(
                        'gripper.launch.py',
                        namespace=namespace,
                        config=config,
                        fake='true',
                        follow_joint_states='true',
                        use_sim_time='true',
                    )
                ],
                condition=IfCondition(NotEqualsSubstitution(task, 'reach')),
            ),
            GroupAction(
                [include('rviz.launch.py', namespace=namespace, use_sim_time='true')],
                condition=IfCondition(LaunchConfiguration('rviz')),
            ),
        ]
    )
