# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

setup(
    name='ros2cli',
    version='0.1.0',
    packages=find_packages(),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/ros2cli']),
        ('share/ros2cli', ['package.xml']),
        ('share/ros2cli/config', ['config/discovery.xml']),
        ('share/ros2cli/hook', ['hook/discovery.dsv']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='dp_ros maintainers',
    maintainer_email='maintainers@dp-ros.example',
    description='Stand-in for ros2cli and ros2bag: the command, without a ROS 2 installation.',
    license='Apache-2.0',
    entry_points={'console_scripts': ['ros2 = ros2cli.cli:main']},
)
