# SPDX-License-Identifier: Apache-2.0
"""Record demonstrations, one rosbag2 per episode, and move the arm by teleoperation."""

from pathlib import Path

from dp_ros.nodes.franka_sim.parameters import parameters_for
from dp_ros.ros.domain import settle_domain
from dp_ros.task.task_file import read_task, task_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import Parameter
from launch_ros.substitutions import FindPackageShare

DEVICES = {'gamepad': 'gamepad', 'keyboard': 'gamepad', 'twist': 'twist', 'leader': 'leader'}

# Strings, even if YAML would read a number.
TEXTS = ('controller_name', 'device', 'directory', 'instruction', 'task')


def share(*parts):
    return PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), *parts])


def argument(name, description, default='', **kwargs):
    return DeclareLaunchArgument(name, default_value=default, description=description, **kwargs)


def parameter(name, value):
    return Parameter(name, value, value_type=str if name in TEXTS else None)


def node(executable, joint_states='joint_states', package='dp_ros', condition=None, **given):
    if given and executable != 'franka_sim':
        given['use_sim_time'] = LaunchConfiguration('use_sim_time')
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


def recording(context):
    shipped = Path(share('config', 'tasks').perform(context))
    file = task_path(LaunchConfiguration('task').perform(context), shipped)
    task = read_task(file)
    recorder = node(
        'demo_recorder',
        LaunchConfiguration('recorded_joint_states'),
        directory=LaunchConfiguration('directory'),
        task=str(file),
    )
    nodes = [recorder, *teleop(context, task, str(file))]
    if IfCondition(LaunchConfiguration('sim')).evaluate(context):
        controller_name = LaunchConfiguration('controller_name')
        shown = parameters_for(task)
        nodes.append(node('franka_sim', controller_name=controller_name, **shown))
    return nodes


def teleop(context, task, file):
    kind = LaunchConfiguration('teleop').perform(context)
    if kind == 'none':
        return []
    joint_states = LaunchConfiguration('joint_states')
    arm = {'controller_name': LaunchConfiguration('controller_name')}
    if task.gripper_joints:
        arm['gripper_joint_names'] = list(task.gripper_joints)
    words = LaunchConfiguration('instruction')
    device = DEVICES.get(kind, kind)
    nodes = [node('teleop', joint_states, device=device, instruction=words, **arm)]
    if kind == 'gamepad':
        nodes.append(node('game_controller_node', package='joy'))
    if kind in DEVICES:
        is_wanted = IfCondition(LaunchConfiguration('executor'))
        if LaunchConfiguration('execute').perform(context):
            arm['execute'] = LaunchConfiguration('execute')
        arm['task'] = file
        nodes.append(node('executor', joint_states, condition=is_wanted, **arm))
    return nodes


def generate_launch_description():
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            argument(
                'teleop',
                'Input that moves the arm: a gamepad (by joy), ros2 run dp_ros teleop_keyboard in '
                'a second terminal, the topic teleop/twist or teleop/leader, or hands that guide '
                'it; none: only the recorder starts.',
                'none',
                choices=['none', *DEVICES, 'guiding'],
            ),
            argument('directory', 'Folder for the episodes.', 'demonstrations'),
            argument('task', 'Task file to record for, or name of a shipped one.', 'reach'),
            argument('instruction', 'Description of the demonstration in words.'),
            argument('namespace', 'Namespace of all nodes.'),
            argument(
                'config', 'Parameter file of the nodes (YAML).', share('config', 'dp_ros.yaml')
            ),
            argument(
                'joint_states',
                "Topic of the arm's joint states; for an FR3, franka/joint_states.",
                'joint_states',
            ),
            argument(
                'recorded_joint_states',
                'Topic of the joint states to record; for a policy that sees the fingers of an '
                'FR3, joint_states.',
                LaunchConfiguration('joint_states'),
            ),
            argument(
                'controller_name', 'Joint trajectory controller to use.', 'fr3_arm_controller'
            ),
            argument('executor', 'Start an executor; false: one is running already.', 'true'),
            argument('sim', 'Start the simulated FR3.', 'false'),
            argument(
                'use_sim_time',
                'Use the time of /clock; needed beside a simulation that runs already.',
                LaunchConfiguration('sim'),
            ),
            argument(
                'execute',
                'Send commands to the arm; false: dry run until executor/enable.',
                LaunchConfiguration('sim'),
            ),
            OpaqueFunction(function=recording),
        ]
    )
