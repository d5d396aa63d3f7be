# SPDX-License-Identifier: Apache-2.0
"""The three nodes that run a policy, against any arm and cameras."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, PushRosNamespace
from launch_ros.substitutions import FindPackageShare

ARM = [f'fr3_joint{i}' for i in range(1, 8)]


def argument(name, description, default=None):
    return DeclareLaunchArgument(name, default_value=default, description=description)


def node(executable, **values):
    common = {'use_sim_time': LaunchConfiguration('use_sim_time')}
    return Node(
        package='dp_ros',
        executable=executable,
        parameters=[LaunchConfiguration('config'), common | values],
        remappings=[('joint_states', LaunchConfiguration('joint_states'))],
        output='screen',
    )


def generate_launch_description():
    config = PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), 'config', 'dp_ros.yaml'])
    joints = {'joint_names': LaunchConfiguration('joint_names')}
    cameras = {
        'camera_names': LaunchConfiguration('camera_names'),
        'camera_topics': LaunchConfiguration('camera_topics'),
        'image_sizes': LaunchConfiguration('image_sizes'),
    }
    controller = {'controller_name': LaunchConfiguration('controller_name')}
    return LaunchDescription(
        [
            argument('policy', 'Folder of the checkpoint.'),
            argument('namespace', 'Of all nodes.', ''),
            argument('joint_names', 'Joints of the arm, as its controller names them.', str(ARM)),
            argument(
                'joint_states', 'True stamps; of an FR3 franka/joint_states.', 'joint_states'
            ),
            argument('controller_name', 'Joint trajectory controller.', 'fr3_arm_controller'),
            argument('camera_names', 'Cameras, as the checkpoint names them.', "['front']"),
            argument('camera_topics', 'Image topics.', "['camera/front/image_raw']"),
            argument('image_sizes', 'Height and width of each camera [px].', '[96, 96]'),
            argument('config', 'YAML with all other parameters of the nodes.', config),
            argument('use_sim_time', 'Follow /clock.', 'false'),
            GroupAction(
                [
                    PushRosNamespace(LaunchConfiguration('namespace')),
                    node('observation_aggregator', **joints, **cameras),
                    node('policy', checkpoint=LaunchConfiguration('policy')),
                    node('executor', **joints, **controller),
                ]
            ),
        ]
    )
