# SPDX-License-Identifier: Apache-2.0
"""Record demonstrations, one rosbag2 per episode, and move the arm by hand for them."""

from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare

DEVICES = {'gamepad': 'gamepad', 'keyboard': 'gamepad', 'twist': 'twist', 'leader': 'leader'}

TEXTS = ('controller_name', 'device', 'directory', 'task')  # Whatever YAML would read in them.


def argument(name, description, default='', **kwargs):
    return DeclareLaunchArgument(name, default_value=default, description=description, **kwargs)


def parameter(name, value):
    return Parameter(name, value, value_type=str if name in TEXTS else None)


def node(executable, joint_states='joint_states', package='dp_ros', condition=None, **given):
    if given and executable != 'franka_sim':
        given['use_sim_time'] = LaunchConfiguration('sim')
    parameters = [parameter(name, value) for name, value in given.items()]
    return Node(
        package=package,
        executable=executable,
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('config'), *parameters] if parameters else [],
        remappings=[('joint_states', joint_states)],
        output='screen',
        condition=condition,
    )


def teleop(context):
    kind = LaunchConfiguration('teleop').perform(context)
    if kind == 'none':
        return []

    def given(**values):
        return {name: value for name, value in values.items() if value.perform(context)}

    joint_states = LaunchConfiguration('joint_states')
    arm = given(
        controller_name=LaunchConfiguration('controller_name'),
        gripper_joint_names=LaunchConfiguration('gripper_joint_names'),
    )
    device, task = DEVICES.get(kind, kind), LaunchConfiguration('task')
    nodes = [node('teleop', joint_states, device=device, task=task, **arm)]
    if kind == 'gamepad':
        nodes.append(node('game_controller_node', package='joy'))
    if kind in DEVICES:
        execute = given(execute=LaunchConfiguration('execute'))
        is_wanted = IfCondition(LaunchConfiguration('executor'))
        nodes.append(node('executor', joint_states, condition=is_wanted, **arm, **execute))
    return nodes


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml'])
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            argument(
                'teleop',
                'What moves the arm: a gamepad (by joy), ros2 run dp_ros teleop_keyboard in a '
                'second terminal, teleop/twist, teleop/leader, or hands; none: something else.',
                'none',
                choices=['none', *DEVICES, 'guiding'],
            ),
            argument('directory', 'Folder of the episodes.', 'demonstrations'),
            argument('task', 'What is demonstrated, in words.'),
            argument('namespace', 'Of all nodes.'),
            argument('config', 'YAML with the parameters of the nodes.', config),
            argument(
                'joint_states', 'True stamps; of an FR3 franka/joint_states.', 'joint_states'
            ),
            argument(
                'recorded_joint_states',
                'For a policy that sees the fingers of an FR3: joint_states.',
                LaunchConfiguration('joint_states'),
            ),
            argument('controller_name', 'Joint trajectory controller.', 'fr3_arm_controller'),
            argument('gripper_joint_names', 'To command the gripper too; else as in config.'),
            argument('executor', 'false: one runs already, beside a policy.', 'true'),
            argument('sim', 'Start the simulated FR3 too.', 'false'),
            argument(
                'execute', 'false: a dry run until executor/enable.', LaunchConfiguration('sim')
            ),
            node(
                'demo_recorder',
                LaunchConfiguration('recorded_joint_states'),
                directory=LaunchConfiguration('directory'),
            ),
            node(
                'franka_sim',
                controller_name=LaunchConfiguration('controller_name'),
                condition=IfCondition(LaunchConfiguration('sim')),
            ),
            OpaqueFunction(function=teleop),
        ]
    )
