# SPDX-License-Identifier: Apache-2.0
from setuptools import setup

setup(
    name='message_filters',
    version='0.1.0',
    packages=['message_filters'],
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/message_filters']),
        ('share/message_filters', ['package.xml']),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='dp_ros maintainers',
    maintainer_email='maintainers@dp-ros.example',
    description='Stand-in for message_filters: the Python filters, without a ROS 2 installation.',
    license='Apache-2.0',
)
