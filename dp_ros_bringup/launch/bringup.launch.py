# SPDX-License-Identifier: Apache-2.0
"""The three nodes that run a policy, for any arm and cameras."""

from dp_ros.ros.domain import settle_domain
from dp_ros.ros.policy_argument import REMOTE, check_policy
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare

CONTROLLER = LaunchConfiguration('controller_name')
TEXTS = ('checkpoint', 'controller_name')  # Strings, even if YAML would read a number.


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
        *([] if checkpoint.perform(context) == REMOTE else policy),
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
            argument('policy', 'Checkpoint folder; remote: the policy runs elsewhere.', None),
            argument('namespace', 'Namespace of all nodes.'),
            argument('config', 'Parameter file of the nodes (YAML).', config),
            argument('overlay', 'Parameter file that overrides config (YAML).'),
            argument('joint_names', "Names of the arm's joints; empty: as in config."),
            argument(
                'joint_states',
                'Topic of the joint states for the executor; for an FR3, franka/joint_states.',
                'joint_states',
            ),
            argument(
                'observed_joint_states',
                'Topic of the joint states for observations; for a policy that sees the fingers '
                'of an FR3, joint_states.',
                joint_states,
            ),
            argument('controller_name', 'Joint trajectory controller; empty: as in config.'),
            argument(
                'execute',
                'Send commands to the arm; false: dry run until executor/enable; empty: as in '
                'config.',
            ),
            argument('use_sim_time', 'Use the time of /clock; empty: as in config.'),
            OpaqueFunction(function=check_policy),
            GroupAction(
                [
                    PushRosNamespace(LaunchConfiguration('namespace')),
                    OpaqueFunction(function=nodes),
                ]
            ),
        ]
    )
