# SPDX-License-Identifier: Apache-2.0
"""The simulated FR3, the nodes that run a policy on it, and the runner of episodes."""

from pathlib import Path

from dp_ros.nodes.franka_sim.parameters import parameters_for
from dp_ros.ros.domain import settle_domain
from dp_ros.ros.policy_argument import REMOTE, check_policy
from dp_ros.task.task_file import read_task, task_path
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
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare

CONFIG, NAMESPACE = LaunchConfiguration('config'), LaunchConfiguration('namespace')


def share(*parts):
    return PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), *parts])


def argument(name, description, default=''):
    return DeclareLaunchArgument(name, default_value=default, description=description)


def include(name, **arguments):
    source = PythonLaunchDescriptionSource(share('launch', name))
    given = {'namespace': NAMESPACE, 'use_sim_time': 'true', **arguments}
    return IncludeLaunchDescription(source, launch_arguments=given.items())


def task_of(context):
    """Read the named task, or else the policy's."""
    named, policy = (LaunchConfiguration(name).perform(context) for name in ('task', 'policy'))
    if policy == REMOTE:
        named = named or 'reach'
    shipped = Path(share('config', 'tasks').perform(context))
    return read_task(task_path(named, shipped) if named else Path(policy).expanduser())


def simulation(context):
    task = task_of(context)
    given = [Parameter(name, value) for name, value in parameters_for(task).items()]
    seed = Parameter('seed', LaunchConfiguration('seed'))
    node = Node(
        package='dp_ros',
        executable='franka_sim',
        parameters=[CONFIG, *given, seed],
        output='screen',
        on_exit=Shutdown(reason='the simulation ended'),
    )
    runner = Node(
        package='dp_ros',
        executable='episode_runner',
        parameters=[CONFIG, Parameter('use_sim_time', True)],
        output='screen',
    )
    gripper = include('gripper.launch.py', config=CONFIG, fake='true', follow_joint_states='true')
    nodes = GroupAction([PushRosNamespace(NAMESPACE), node, runner])
    return [nodes, *([GroupAction([gripper])] if task.gripper_joints else [])]


def generate_launch_description():
    policy = LaunchConfiguration('policy')
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            argument('policy', 'Checkpoint folder; remote: the policy runs elsewhere.', None),
            argument(
                'task', 'Task file, or name of a shipped one; empty: the task of the policy.'
            ),
            argument('namespace', 'Namespace of all nodes.'),
            argument(
                'config', 'Parameter file of the nodes (YAML).', share('config', 'dp_ros.yaml')
            ),
            argument('seed', 'Seed of the first scene.', '0'),
            argument('rviz', 'Start RViz.', 'false'),
            argument('view', 'Serve the view in the browser.', 'true'),
            OpaqueFunction(function=check_policy),
            OpaqueFunction(function=simulation),
            include(
                'bringup.launch.py',
                policy=policy,
                config=CONFIG,
                overlay=share('config', 'sim.yaml'),
                execute='true',
            ),
            GroupAction(
                [include('rviz.launch.py')], condition=IfCondition(LaunchConfiguration('rviz'))
            ),
            GroupAction(
                [include('view.launch.py', config=CONFIG)],
                condition=IfCondition(LaunchConfiguration('view')),
            ),
        ]
    )
