# SPDX-License-Identifier: Apache-2.0
from setuptools import setup

setup(
    name='tf2_ros_py',
    version='0.1.0',
    packages=['tf2_ros'],
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/tf2_ros_py']),
        ('share/tf2_ros_py', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='dp_ros maintainers',
    maintainer_email='maintainers@dp-ros.example',
    description='Stand-in for tf2_ros_py: tf, without a ROS 2 installation.',
    license='Apache-2.0',
)
