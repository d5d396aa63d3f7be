# SPDX-License-Identifier: Apache-2.0
from setuptools import setup

setup(
    name='cv_bridge',
    version='0.1.0',
    packages=['cv_bridge'],
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/cv_bridge']),
        ('share/cv_bridge', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='dp_ros maintainers',
    maintainer_email='maintainers@dp-ros.example',
    description='Stand-in for cv_bridge: the Python CvBridge, without a ROS 2 installation.',
    license='Apache-2.0',
)
