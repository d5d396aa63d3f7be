# SPDX-License-Identifier: Apache-2.0
"""A Franka FR3 with franka_ros2 and the controller that follows the executor's trajectories."""

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from dp_ros.ros.domain import settle_domain
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import IfElseSubstitution, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare


def argument(name, description, default=''):
    return DeclareLaunchArgument(name, default_value=default, description=description)


def config(name):
    return PathJoinSubstitution([FindPackageShare('dp_ros_bringup'), 'config', name])


def check_driver(_):
    try:
        get_package_prefix('franka_bringup')
    except PackageNotFoundError:
        raise RuntimeError(
            "package 'franka_bringup' not found: build and source franka_ros2 v3.4.0, or start "
            'this in the image of docker/; docs/arm.md says how'
        ) from None


def generate_launch_description():
    namespace = LaunchConfiguration('namespace')
    use_fake_hardware = LaunchConfiguration('use_fake_hardware')
    controllers_yaml = LaunchConfiguration('controllers_yaml')
    controllers = config('franka_controllers.yaml')
    driver = PathJoinSubstitution(
        [FindPackageShare('franka_bringup'), 'launch', 'franka.launch.py']
    )
    return LaunchDescription(
        [
            OpaqueFunction(function=settle_domain),
            argument('robot_ip', 'Address of the arm; with fake hardware, any word.', None),
            argument('namespace', 'Namespace of all nodes.'),
            argument('use_fake_hardware', 'Use fake hardware instead of an arm.', 'false'),
            argument('load_gripper', 'Whether the Franka Hand is mounted.', 'false'),
            argument('controller_name', 'Name of the controller to start.', 'fr3_arm_controller'),
            argument('controllers_yaml', 'Parameter file of ros2_control (YAML).', controllers),
            OpaqueFunction(function=check_driver),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(driver),
                launch_arguments={
                    'robot_type': 'fr3',
                    'robot_ip': LaunchConfiguration('robot_ip'),
                    'namespace': namespace,
                    'use_fake_hardware': use_fake_hardware,
                    # Its fake Hand never moves; gripper.launch.py starts one that does.
                    'load_gripper': IfElseSubstitution(
                        use_fake_hardware, 'false', LaunchConfiguration('load_gripper')
                    ),
                    'joint_state_rate': '100',
                    'controllers_yaml': controllers_yaml,
                }.items(),
            ),
            Node(
                package='controller_manager',
                executable='spawner',
                namespace=namespace,
                arguments=[
                    LaunchConfiguration('controller_name'),
                    '--param-file',
                    IfElseSubstitution(
                        use_fake_hardware, config('franka_fake_hardware.yaml'), controllers_yaml
                    ),
                ],
                output='screen',
            ),
        ]
    )
