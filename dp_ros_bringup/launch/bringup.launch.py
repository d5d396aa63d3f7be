# SPDX-License-Identifier: Apache-2.0
"""The three nodes that run a policy, against any arm and cameras."""

from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare

CONTROLLER = LaunchConfiguration('controller_name')
TEXTS = ('checkpoint', 'controller_name')  # Whatever YAML would read in them.


def argument(name, description, default=''):
    return DeclareLaunchArgument(name, default_value=default, description=description)


def parameter(name, value):
    return Parameter(name, value, value_type=str if name in TEXTS else None)


def nodes(context):
    commands = ('fr3_arm_controller/joint_trajectory', [CONTROLLER, '/joint_trajectory'])

    def is_given(value):
        return value.perform(context) != ''

    def node(executable, joint_states='joint_states', remappings=(), **given):
        given['use_sim_time'] = LaunchConfiguration('use_sim_time')
        files = [LaunchConfiguration(name) for name in ('config', 'overlay')]
        overrides = [parameter(name, value) for name, value in given.items() if is_given(value)]
        return Node(
            package='dp_ros',
            executable=executable,
            parameters=[*filter(is_given, files), *overrides],
            remappings=[('joint_states', joint_states), *remappings],
            output='screen',
        )

    checkpoint = LaunchConfiguration('policy')
    policy = [node('policy', checkpoint=checkpoint)]
    return [
        *([] if checkpoint.perform(context) == 'remote' else policy),
        node(
            'observation_aggregator',
            joint_states=LaunchConfiguration('observed_joint_states'),
            remappings=[commands] if is_given(CONTROLLER) else [],
        ),
        node(
            'executor',
            joint_states=LaunchConfiguration('joint_states'),
            joint_names=LaunchConfiguration('joint_names'),
            controller_name=CONTROLLER,
            execute=LaunchConfiguration('execute'),
        ),
    ]


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml'])
    joint_states = LaunchConfiguration('joint_states')
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            argument('policy', 'Folder of the checkpoint; remote: it runs elsewhere.', None),
            argument('namespace', 'Of all nodes.'),
            argument('config', 'YAML with the parameters of the nodes.', config),
            argument('overlay', 'YAML with parameters that win over those of config.'),
            argument('joint_names', 'As the controller names them; else as in config.'),
            argument('joint_states', "Of the arm; an FR3's: franka/joint_states.", 'joint_states'),
            argument('observed_joint_states', 'joint_states: with fingers.', joint_states),
            argument('controller_name', 'Joint trajectory controller; else as in config.'),
            argument('execute', 'false: a dry run until executor/enable; else as in config.'),
            argument('use_sim_time', 'Follow /clock; else as in config.'),
            GroupAction(
                [
                    PushRosNamespace(LaunchConfiguration('namespace')),
                    OpaqueFunction(function=nodes),
                ]
            ),
        ]
    )
