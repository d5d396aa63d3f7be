# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

setup(
    name='launch_ros',
    version='0.1.0',
    packages=find_packages(),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/launch_ros']),
        ('share/launch_ros', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='dp_ros maintainers',
    maintainer_email='maintainers@dp-ros.example',
    description='Stand-in for launch_ros: what a Python bringup uses of it, without ROS 2.',
    license='Apache-2.0',
)
