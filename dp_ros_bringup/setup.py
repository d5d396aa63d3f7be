# SPDX-License-Identifier: Apache-2.0
from glob import glob

from setuptools import setup

FOLDERS = ('config', 'config/tasks', 'launch', 'rviz')

setup(
    name='dp_ros_bringup',
    version='0.1.0',
    packages=[],
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/dp_ros_bringup']),
        ('share/dp_ros_bringup', ['package.xml']),
        *((f'share/dp_ros_bringup/{folder}', glob(f'{folder}/*.*')) for folder in FOLDERS),
    ],
    install_requires=['setuptools'],
    zip_safe=False,
    maintainer='dp_ros maintainers',
    maintainer_email='maintainers@dp-ros.example',
    description='Launch files, configuration and RViz views of dp_ros',
    license='Apache-2.0',
)
